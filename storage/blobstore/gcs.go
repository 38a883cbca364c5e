//go:build !nogcs

package blobstore

import (
	"context"
	"net/http"

	"cloud.google.com/go/storage"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/gcp"
	"google.golang.org/api/option"
)

func init() { openers["gs"] = openGCS }

// openGCS takes application default credentials: GOOGLE_APPLICATION_CREDENTIALS, gcloud's, or those of the machine.
func openGCS(ctx context.Context, at Location) (cloud, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	plain(t)
	client := gcp.NewAnonymousHTTPClient(t)
	if at.get("anonymous") != "true" {
		creds, err := gcp.DefaultCredentials(ctx)
		if err != nil {
			return cloud{}, err
		}
		if client, err = gcp.NewHTTPClient(t, gcp.CredentialsTokenSource(creds)); err != nil {
			return cloud{}, err
		}
	}
	var opts gcsblob.Options
	if e := at.get("endpoint"); e != "" {
		opts.ClientOptions = []option.ClientOption{option.WithEndpoint(e + "/storage/v1/")}
	}
	bucket, err := gcsblob.OpenBucket(ctx, client, at.Bucket, &opts)
	if err != nil {
		return cloud{}, err
	}
	c := cloud{bucket: bucket, read: &blob.ReaderOptions{BeforeRead: asStored}}
	c.address = func(key string) string {
		base := "https://storage.googleapis.com"
		if e := at.get("endpoint"); e != "" {
			base = e
		}
		return base + "/" + at.Bucket + "/" + key
	}
	if key := at.get("kms_key"); key != "" {
		c.before = func(as func(any) bool) error {
			var o **storage.ObjectHandle
			var w *storage.Writer
			if as(&o) && as(&w) {
				w.KMSKeyName = key
			}
			return nil
		}
	}
	return c, nil
}

// asStored asks for the bytes of an object as they are: the service would inflate what is marked as gzip.
func asStored(as func(any) bool) error {
	var o **storage.ObjectHandle
	if as(&o) {
		*o = (*o).ReadCompressed(true)
	}
	return nil
}
