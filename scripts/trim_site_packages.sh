#!/bin/sh
# Takes out of a site-packages directory what a worker never loads: about 200 MB of 550. The image's self-test imports
# and speaks afterwards, so what is cut too deep fails the build. Usage: trim_site_packages.sh DIRECTORY
set -eu
cd "$1"

find . -type d -name tests -prune -exec rm -r {} +
find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h' -o -name '*.a' \) -delete

# Symbols of extension modules. Libraries in *.libs were rewritten by their packagers, and strip would break them.
find . -type f -name '*.so*' -not -path '*.libs/*' -exec strip --strip-unneeded {} +

# The C library of ONNX Runtime: its Python module has all of it linked in.
rm -f onnxruntime/capi/libonnxruntime.so*
rm -rf onnxruntime/transformers onnxruntime/tools onnxruntime/quantization
# The language model of pocketsphinx: alignment does without one.
rm -f pocketsphinx/model/en-us/en-us.lm.bin
# Of the 400 services that botocore describes, the store and the ways to log in to it.
find botocore/data -mindepth 1 -maxdepth 1 -type d \
    -not -name s3 -not -name sts -not -name sso -not -name sso-oidc -not -name signin -exec rm -r {} +
