CREATE TABLE console_auth_tokens (
    id BIGSERIAL NOT NULL,
    token_hash VARCHAR(64) NOT NULL,
    server_id VARCHAR(36) NOT NULL,
    project_id VARCHAR(255) NOT NULL,
    user_id VARCHAR(255),
    console_type VARCHAR(32) NOT NULL,
    host VARCHAR(255) NOT NULL,
    port INTEGER NOT NULL,
    tls_port INTEGER,
    internal_access_path VARCHAR(255),
    created_at BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    uses INTEGER DEFAULT '0' NOT NULL,
    resumptions INTEGER DEFAULT '0' NOT NULL,
    client_address VARCHAR(45),
    encrypted_ticket VARCHAR(255),
    mode VARCHAR(16) DEFAULT 'control' NOT NULL,
    max_uses INTEGER,
    bound_address VARCHAR(45),
    lists_sessions BOOLEAN DEFAULT '0' NOT NULL,
    lowered BOOLEAN DEFAULT '0' NOT NULL,
    record BOOLEAN DEFAULT '0' NOT NULL,
    CONSTRAINT pk_console_auth_tokens PRIMARY KEY (id),
    CONSTRAINT uq_console_auth_tokens_token_hash UNIQUE (token_hash)
);

CREATE INDEX ix_console_auth_tokens_expires ON console_auth_tokens (expires);

CREATE INDEX ix_console_auth_tokens_project_id_expires ON console_auth_tokens (project_id, expires);

CREATE INDEX ix_console_auth_tokens_server_id_user_id_id ON console_auth_tokens (server_id, user_id, id);

CREATE TABLE console_proxies (
    id VARCHAR(36) NOT NULL,
    alive_until BIGINT NOT NULL,
    mode_changes INTEGER DEFAULT '0' NOT NULL,
    others_changes INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_console_proxies PRIMARY KEY (id)
);

CREATE INDEX ix_console_proxies_alive_until ON console_proxies (alive_until);

CREATE TABLE console_sessions (
    id BIGSERIAL NOT NULL,
    session_id VARCHAR(36) NOT NULL,
    token_hash VARCHAR(64) NOT NULL,
    server_id VARCHAR(36) NOT NULL,
    project_id VARCHAR(255) NOT NULL,
    user_id VARCHAR(255),
    console_type VARCHAR(32) NOT NULL,
    client_address VARCHAR(45),
    created_at BIGINT NOT NULL,
    expires BIGINT,
    alive_until BIGINT NOT NULL,
    proxy_id VARCHAR(36),
    secret_hash VARCHAR(64),
    mode VARCHAR(16) DEFAULT 'control' NOT NULL,
    enforced_mode VARCHAR(16),
    end_reason VARCHAR(32),
    ended_by VARCHAR(255),
    main_id VARCHAR(36),
    deadline BIGINT,
    lists_sessions BOOLEAN DEFAULT '0' NOT NULL,
    record BOOLEAN DEFAULT '0' NOT NULL,
    CONSTRAINT pk_console_sessions PRIMARY KEY (id),
    CONSTRAINT uq_console_sessions_session_id UNIQUE (session_id)
);

CREATE INDEX ix_console_sessions_alive_until ON console_sessions (alive_until);

CREATE INDEX ix_console_sessions_project_id ON console_sessions (project_id);

CREATE INDEX ix_console_sessions_proxy_id_expires ON console_sessions (proxy_id, expires);

CREATE INDEX ix_console_sessions_server_id ON console_sessions (server_id);

CREATE INDEX ix_console_sessions_token_hash ON console_sessions (token_hash);

CREATE INDEX ix_console_sessions_user_id ON console_sessions (user_id);

CREATE TABLE consoles (
    id BIGSERIAL NOT NULL,
    server_id VARCHAR(36) NOT NULL,
    server_host VARCHAR(255) NOT NULL,
    console_type VARCHAR(255) NOT NULL,
    instance_name VARCHAR(255) NOT NULL,
    host VARCHAR(255) NOT NULL,
    port INTEGER NOT NULL,
    encrypted_password VARCHAR(255) NOT NULL,
    created_at BIGINT NOT NULL,
    gateway_port INTEGER,
    token_hash VARCHAR(64),
    expires BIGINT,
    failures INTEGER DEFAULT '0' NOT NULL,
    locked_until BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_consoles PRIMARY KEY (id),
    CONSTRAINT uq_consoles_server_id_server_host UNIQUE (server_id, server_host)
);

CREATE UNIQUE INDEX ix_consoles_gateway_port ON consoles (gateway_port);

CREATE INDEX ix_consoles_instance_name ON consoles (instance_name);

CREATE INDEX ix_consoles_token_hash ON consoles (token_hash);

CREATE TABLE ended_sessions (
    id BIGSERIAL NOT NULL,
    session_id VARCHAR(36) NOT NULL,
    main_id VARCHAR(36) NOT NULL,
    is_main BOOLEAN NOT NULL,
    server_id VARCHAR(36) NOT NULL,
    project_id VARCHAR(255) NOT NULL,
    user_id VARCHAR(255),
    console_type VARCHAR(32) NOT NULL,
    mode VARCHAR(16) NOT NULL,
    client_address VARCHAR(45),
    created_at BIGINT NOT NULL,
    expires BIGINT,
    ended_at BIGINT NOT NULL,
    end_reason VARCHAR(32) NOT NULL,
    ended_by VARCHAR(255),
    received BIGINT NOT NULL,
    sent BIGINT NOT NULL,
    CONSTRAINT pk_ended_sessions PRIMARY KEY (id)
);

CREATE INDEX ix_ended_sessions_ended_at_id ON ended_sessions (ended_at, id);

CREATE INDEX ix_ended_sessions_main_id ON ended_sessions (main_id);

CREATE INDEX ix_ended_sessions_project_id_ended_at_id ON ended_sessions (project_id, ended_at, id);

CREATE INDEX ix_ended_sessions_server_id_ended_at_id ON ended_sessions (server_id, ended_at, id);

CREATE INDEX ix_ended_sessions_user_id_ended_at_id ON ended_sessions (user_id, ended_at, id);

CREATE TABLE leases (
    name VARCHAR(64) NOT NULL,
    expires BIGINT NOT NULL,
    CONSTRAINT pk_leases PRIMARY KEY (name)
);

CREATE INDEX ix_leases_expires ON leases (expires);

CREATE TABLE log_in_failures (
    subject VARCHAR(64) NOT NULL,
    failures INTEGER NOT NULL,
    locked_until BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    CONSTRAINT pk_log_in_failures PRIMARY KEY (subject)
);

CREATE INDEX ix_log_in_failures_expires ON log_in_failures (expires);

CREATE TABLE recording_accesses (
    token_hash VARCHAR(64) NOT NULL,
    recording_id VARCHAR(36) NOT NULL,
    user_id VARCHAR(255),
    expires BIGINT NOT NULL,
    CONSTRAINT pk_recording_accesses PRIMARY KEY (token_hash)
);

CREATE INDEX ix_recording_accesses_expires ON recording_accesses (expires);

CREATE TABLE recordings (
    id VARCHAR(36) NOT NULL,
    session_id VARCHAR(36) NOT NULL,
    server_id VARCHAR(36) NOT NULL,
    project_id VARCHAR(255),
    user_id VARCHAR(255),
    console_type VARCHAR(32) NOT NULL,
    client_address VARCHAR(45),
    format VARCHAR(32) NOT NULL,
    started_at BIGINT NOT NULL,
    duration BIGINT,
    size BIGINT NOT NULL,
    state VARCHAR(16) NOT NULL,
    CONSTRAINT pk_recordings PRIMARY KEY (id)
);

CREATE INDEX ix_recordings_server_id_started_at_id ON recordings (server_id, started_at, id);

CREATE INDEX ix_recordings_session_id ON recordings (session_id);

CREATE TABLE used_challenges (
    digest VARCHAR(64) NOT NULL,
    token_hash VARCHAR(64),
    expires BIGINT NOT NULL,
    CONSTRAINT pk_used_challenges PRIMARY KEY (digest)
);

CREATE INDEX ix_used_challenges_expires ON used_challenges (expires);

CREATE INDEX ix_used_challenges_token_hash ON used_challenges (token_hash);

