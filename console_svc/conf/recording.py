# SPDX-License-Identifier: Apache-2.0

"""[recording] records of what was on consoles."""

from typing import Final

from oslo_config import cfg, types

GROUP = 'recording'

#: Console types.
TYPES: Final = (
    'novnc',
    'rdp-html5',
    'serial',
    'spice-direct',
    'spice-html5',
    'vnc',
    'webmks',
)

OPTIONS = [
    cfg.IntOpt(
        'access_ttl',
        default=600,
        min=1,
        help='Seconds for which the URL of a recording that the API returns '
        'can be used.',
    ),
    cfg.StrOpt(
        'mode',
        default='off',
        choices=[
            ('off', 'No session is recorded.'),
            (
                'optional',
                'Sessions are recorded. One whose recording cannot be written '
                'continues without it.',
            ),
            (
                'required',
                'Sessions are recorded. One whose recording cannot be written '
                'is refused, or ends.',
            ),
        ],
        help='Whether the console proxy records sessions. Those of the '
        'console types serial, novnc and vnc can be recorded. "required" '
        'refuses the others: see "types". Sessions of tokens that require a '
        'recording are recorded with each mode, and refused if they cannot '
        'be.',
    ),
    cfg.ListOpt(
        'types',
        item_type=types.String(choices=TYPES),
        default=[],
        sample_default='serial,novnc,vnc',
        help='Console types to which "mode" applies. If empty, it applies to '
        'all. Sessions of other types are neither recorded nor refused. The '
        'type of native VNC clients is vnc.',
    ),
    cfg.BoolOpt(
        'record_input',
        default=False,
        help='Also record what clients send. It includes the passwords that '
        'users type.',
    ),
    cfg.FloatOpt(
        'piece_seconds',
        default=0.5,
        min=0.1,
        max=60,
        help='Seconds of a recording that are written together. If the '
        'console proxy is killed, so much of each recording is lost.',
    ),
    cfg.StrOpt(
        'key_file',
        default='$state_path/recording-keys',
        help='File with the keys that protect recordings from changes, one '
        'per line. The first key is for new recordings. "console-svc-manage '
        'keys create --recording" creates it, with mode 0600. It is read '
        'again when it changes. All hosts on which recordings are written or '
        'checked need the same file.',
    ),
    cfg.URIOpt(
        'playback_base_url',
        default='http://127.0.0.1:6080/play.html',
        schemes=['http', 'https'],
        help='URL of the page that plays recordings, as browsers reach it. '
        'The API adds a token to it, as its fragment.',
    ),
    cfg.StrOpt(
        'storage',
        default='file',
        help='Where recordings are stored: an entry point in '
        'console_svc.recordings. "file" stores them in a directory, "swift" '
        'in a container of Swift (group [swift]), "s3" in a bucket of an '
        'object storage with the API of Amazon S3 (group [s3]).',
    ),
    cfg.StrOpt(
        'directory',
        default='$state_path/recordings',
        help='Directory of the storage "file". Several hosts can share it '
        'over a file system with locks, such as NFS 4. With "swift" and '
        '"s3", recordings are written here first, and uploaded when they are '
        'finished.',
    ),
    cfg.StrOpt(
        'container',
        default='console-recordings',
        help='Container of the storage "swift", or bucket of "s3". It must '
        'exist, and should be used for recordings alone.',
    ),
    cfg.FloatOpt(
        'upload_interval',
        default=10,
        min=0.1,
        max=3600,
        help='Seconds between two rounds in which a process of the console '
        'proxy uploads finished recordings, with the storage "swift" or "s3".',
    ),
    cfg.IntOpt(
        'min_free',
        default=1024,
        min=0,
        help='MiB that stay free on the file system of "directory". With '
        'less, nothing is recorded.',
    ),
    cfg.IntOpt(
        'days',
        default=0,
        min=0,
        help='Days after which a recording is deleted; 0: never.',
    ),
    cfg.IntOpt(
        'size',
        default=0,
        min=0,
        help='MiB of all recordings together, above which the oldest ones are '
        'deleted; 0: no limit. With a limit, a user who writes much to a '
        'console can displace older recordings.',
    ),
]
