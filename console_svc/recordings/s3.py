# SPDX-License-Identifier: Apache-2.0

"""The storage driver "s3": a bucket with the API of Amazon S3."""

import base64
import contextlib
import errno
import http
from collections.abc import Iterator, Sequence
from typing import Any, Final

from oslo_config import cfg

from console_svc.conf.s3 import GROUP
from console_svc.recordings.objects import ObjectStorage, Part, Store, Stored
from console_svc.recordings.storage import Unavailable

# Attempts of a request.
_ATTEMPTS: Final = 2

# Codes with which a request may be repeated later, and those of an object
# that does not exist.
_LATER: Final = ('RequestTimeout', 'SlowDown', 'Throttling')
_MISSING: Final = ('404', 'NoSuchKey', 'NoSuchUpload')


class S3Storage(ObjectStorage):
    """Stores recordings in an S3 bucket."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf, Bucket(conf))


class Bucket(Store):
    """The bucket ``[recording] container``.

    Objects of more than one part are multipart uploads.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options = conf[GROUP]
        if bool(options.access_key) != bool(options.secret_key):
            raise cfg.Error(
                f'[{GROUP}] access_key and secret_key belong together'
            )
        # Imported here: they are optional dependencies.
        try:
            import boto3
            import botocore.config
            import botocore.exceptions
        except ImportError as error:
            raise cfg.Error(
                '[recording] storage is s3, but boto3 is not installed: '
                'install console-svc[s3]'
            ) from error
        self._exceptions = botocore.exceptions
        self._name: str = conf.recording.container
        try:
            self._client = boto3.session.Session().client(
                's3',
                endpoint_url=options.endpoint_url,
                region_name=options.region_name,
                aws_access_key_id=options.access_key,
                aws_secret_access_key=options.secret_key,
                verify=options.cafile,
                config=botocore.config.Config(
                    connect_timeout=options.timeout,
                    read_timeout=options.timeout,
                    retries={
                        'mode': 'standard',
                        'total_max_attempts': _ATTEMPTS,
                    },
                    s3={'addressing_style': options.addressing_style},
                    # Other stores than Amazon's do not know boto3's checksums.
                    # All know Content-MD5.
                    request_checksum_calculation='when_required',
                    response_checksum_validation='when_required',
                ),
            )
        except (ValueError, botocore.exceptions.BotoCoreError) as error:
            raise cfg.Error(f'[{GROUP}]: {error}') from error

    def check(self) -> None:
        self._call('head_bucket')

    def put(self, name: str, parts: Sequence[Part]) -> None:
        if len(parts) == 1:
            self._call('put_object', Key=name, **_body(parts[0]))
            return
        upload = self._call('create_multipart_upload', Key=name)['UploadId']
        try:
            done = [
                {
                    'PartNumber': number,
                    'ETag': self._call(
                        'upload_part',
                        Key=name,
                        UploadId=upload,
                        PartNumber=number,
                        **_body(part),
                    )['ETag'],
                }
                for number, part in enumerate(parts, 1)
            ]
            self._call(
                'complete_multipart_upload',
                Key=name,
                UploadId=upload,
                MultipartUpload={'Parts': done},
            )
        except BaseException:
            with contextlib.suppress(OSError):
                self._call('abort_multipart_upload', Key=name, UploadId=upload)
            raise

    def get(self, name: str, start: int, size: int) -> tuple[bytes, int]:
        found = self._call(
            'get_object', Key=name, Range=f'bytes={start}-{start + size - 1}'
        )
        with contextlib.closing(found['Body']) as body:
            total = found.get('ContentRange', '').rpartition('/')[2]
            if not total.isdecimal():
                raise OSError(errno.EIO, 'S3 has not sent a range', name)
            with self._errors(name):
                return body.read(), int(total)

    def objects(self) -> Iterator[Stored]:
        following: dict[str, str] = {}
        while True:
            page = self._call('list_objects_v2', **following)
            for it in page.get('Contents', ()):
                yield Stored(
                    it['Key'], it['Size'], it['LastModified'].timestamp()
                )
            if not page['IsTruncated']:
                return
            following = {'ContinuationToken': page['NextContinuationToken']}

    def delete(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._call('delete_object', Key=name)

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call S3.

        :raises FileNotFoundError: there is no such object
        :raises Unavailable: S3 does not answer
        :raises OSError: it refuses
        """
        with self._errors(arguments.get('Key', self._name)):
            found: dict[str, Any] = getattr(self._client, operation)(
                Bucket=self._name, **arguments
            )
        return found

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """Translate the exceptions of boto3."""
        try:
            yield
        except self._exceptions.ClientError as error:
            raise _translated(error.response, what) from None
        except (
            self._exceptions.NoCredentialsError,
            self._exceptions.ParamValidationError,
        ) as error:
            raise OSError(errno.EACCES, str(error), what) from None
        except self._exceptions.BotoCoreError as error:
            raise Unavailable(errno.EAGAIN, str(error)) from None


def _body(part: Part) -> dict[str, Any]:
    # S3 refuses a body with another MD5.
    return {
        'Body': part,
        'ContentMD5': base64.b64encode(part.md5).decode('ascii'),
    }


def _translated(response: dict[str, Any], what: str) -> OSError:
    """The exception for an error status."""
    status = response['ResponseMetadata']['HTTPStatusCode']
    code = response['Error']['Code']
    answer = f'S3 answers {status} {code}'
    if code in _LATER or status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(errno.EAGAIN, answer)
    if code in _MISSING:
        return FileNotFoundError(errno.ENOENT, answer, what)
    return OSError(errno.EACCES, answer, what)
