// Package blobstore keeps objects in a bucket: S3 and what speaks its language, Google Cloud Storage, Azure Blob Storage. All cloud
// libraries are imported here and nowhere else; the build tags nos3, nogcs and noazure each leave one out.
//
// An object is spooled and sent by Commit in one conditional PUT: so Abort has nothing to clean up, no upload is ever left pending, and
// an object is whole or not there. Who wins a create-if-absent is decided by the store. A refusal that follows a repeat by the library,
// whose first try may have arrived, is told from a lost race by the id of the write that each object carries.
package blobstore
