#!/bin/sh
set -eu
mkdir -p /baked
printf "%s\n" "$*" >/baked/database.tar.gz
