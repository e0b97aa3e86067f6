"""The front door to files of sound: `decode`, `resample`, `encode`, `write_audio`, and the table `FORMATS`.

Reading is in `decoding`, writing in `encoding`; what both promise: mono float32 inside, lengths exact to the sample, no
shift in time, the same input gives the same output.
"""

from f5_serverless.audio.decoding import decode
from f5_serverless.audio.encoding import FORMATS, AudioFormat, encode, write_audio
from f5_serverless.audio.samples import resample

__all__ = ["FORMATS", "AudioFormat", "decode", "encode", "resample", "write_audio"]
