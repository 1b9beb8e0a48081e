# SPDX-License-Identifier: Apache-2.0

"""[s3] the storage of recordings in an S3 bucket."""

from oslo_config import cfg

GROUP = 's3'

OPTIONS = [
    cfg.URIOpt(
        'endpoint_url',
        schemes=['http', 'https'],
        help='URL of the object storage, as https://s3.example.org. If not '
        'set, it is that of Amazon S3 in the region.',
    ),
    cfg.StrOpt(
        'region_name',
        default='us-east-1',
        help='Region of the bucket. Requests are signed for it; that of Swift '
        'is "location" in the configuration of its middleware s3api.',
    ),
    cfg.StrOpt(
        'access_key',
        secret=True,
        help='Access key. If not set, boto3 looks for a credential in its '
        'usual places, such as the role of an EC2 instance.',
    ),
    cfg.StrOpt(
        'secret_key',
        secret=True,
        help='Secret key of "access_key".',
    ),
    cfg.StrOpt(
        'cafile',
        help='PEM file with the CA certificates of the object storage. If '
        "not set, they are those of boto3's library.",
    ),
    cfg.StrOpt(
        'addressing_style',
        default='path',
        choices=[
            ('path', 'The bucket is in the path of URLs.'),
            ('virtual', 'The bucket is in the host name of URLs.'),
        ],
        help='Where in URLs the name of the bucket is.',
    ),
    cfg.FloatOpt(
        'timeout',
        default=30,
        min=1,
        help='Seconds to wait for a connection, and for each part of an '
        'answer.',
    ),
]
