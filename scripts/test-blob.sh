#!/usr/bin/env bash
# The contract of a store held by S3, Azure and GCS, and exports into S3 while so many processes are killed. With 20 kills or more also
# exports into Azure, into a store without create-if-absent, and into one that fails in all ways. The doubles come from their
# registries: versitygw and fake-gcs-server (Go), azurite (npm).
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/blob-doubles.sh
trap stop_blob EXIT
kills=${1:-50}

start_versitygw
start_azurite
start_gcs
export SLUICE_TEST_BLOB="$SLUICE_TEST_S3 $SLUICE_TEST_AZURE $SLUICE_TEST_GCS"
go test -count=1 ./storage/blobstore

under_kills() { go run ./test/kill -kills "$kills" -replicas 2 -redis -patients 200 -min 200ms -max 900ms "$@"; }
under_kills -store "$SLUICE_TEST_S3"
if [ "$kills" -ge 20 ]; then
	under_kills -store "$SLUICE_TEST_AZURE"
	under_kills -mode weakstore
	go run ./test/kill -mode badstore -redis -replicas 2 -patients 100 -store "$SLUICE_TEST_S3"
fi
pending=$(find "$blob_dir/s3/exports" -path '*/.sgwtmp/multipart/*' -type f | wc -l)
echo "$pending uploads pending in the S3 bucket"
[ "$pending" = 0 ]
