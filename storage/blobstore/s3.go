//go:build !nos3

package blobstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"
	"gocloud.dev/blob/s3blob"

	"sluice/storage"
)

func init() { openers["s3"] = openS3 }

// openS3 takes credentials from the environment, ~/.aws, or the machine's role. A custom endpoint is asked in path style unless told
// otherwise, and gets checksums only where the protocol demands them: not all that speak S3 know the newer ones.
func openS3(ctx context.Context, at Location) (cloud, error) {
	web := awshttp.NewBuildableClient().WithTransportOptions(plain) // of a kind that AWS_CA_BUNDLE is added to
	opts := []func(*awsconfig.LoadOptions) error{awsconfig.WithHTTPClient(web), awsconfig.WithLogger(logging.Nop{})}
	if region := at.get("region"); region != "" {
		opts = append(opts, awsconfig.WithRegion(region))
	}
	custom := at.get("endpoint") != ""
	if custom {
		opts = append(opts, awsconfig.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
			awsconfig.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return cloud{}, err
	}
	if cfg.Region == "" && custom {
		cfg.Region = "us-east-1" // what most of them sign with
	}
	if cfg.Region == "" {
		return cloud{}, errors.New("no region: give region= in storage.url, or AWS_REGION")
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		if custom {
			o.BaseEndpoint = aws.String(at.get("endpoint"))
		}
		o.UsePathStyle = custom && at.get("path_style") != "false" || at.get("path_style") == "true"
	})
	bucket, err := s3blob.OpenBucket(ctx, client, at.Bucket, nil)
	if err != nil {
		return cloud{}, err
	}
	return cloud{
		bucket: bucket,
		put:    func(ctx context.Context, w *writer, id string) error { return putS3(ctx, client, at, w, id) },
		remove: func(ctx context.Context, key string) error { // the library looks first whether there is one
			_, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(at.Bucket), Key: aws.String(key)})
			return answered(err)
		},
		address: func(key string) string { return addressS3(client.Options(), at.Bucket, key) },
	}, nil
}

// addressS3 is the URL of an object.
func addressS3(o s3.Options, bucket, key string) string {
	switch {
	case o.BaseEndpoint == nil:
		return "https://" + bucket + ".s3." + o.Region + ".amazonaws.com/" + key
	case o.UsePathStyle:
		return *o.BaseEndpoint + "/" + bucket + "/" + key
	}
	scheme, host, _ := strings.Cut(*o.BaseEndpoint, "://")
	return scheme + "://" + bucket + "." + host + "/" + key
}

// putS3 sends an object in one request: a multipart upload that is broken off would stay pending.
func putS3(ctx context.Context, client *s3.Client, at Location, w *writer, id string) error {
	in := &s3.PutObjectInput{
		Bucket: aws.String(at.Bucket), Key: aws.String(at.Prefix + w.key), Body: w.spool.body(), ContentLength: aws.Int64(w.spool.size),
		ContentType: aws.String(contentType(w.o)), Metadata: map[string]string{writeID: id}, ServerSideEncryption: types.ServerSideEncryption(at.get("sse")),
	}
	if w.o.ContentEncoding != "" {
		in.ContentEncoding = aws.String(w.o.ContentEncoding)
	}
	if key := at.get("kms_key"); key != "" {
		in.SSEKMSKeyId = aws.String(key)
	}
	if w.o.IfAbsent {
		in.IfNoneMatch = aws.String("*")
	}
	_, err := client.PutObject(ctx, in)
	return answered(err)
}

// answered turns an answer of the store into what it means.
func answered(err error) error {
	var answer *awshttp.ResponseError
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.HTTPStatusCode() {
	case http.StatusPreconditionFailed:
		return errRefused
	case http.StatusConflict:
		return errConflict
	case http.StatusNotFound:
		return storage.ErrNotExist
	case http.StatusForbidden:
		return fmt.Errorf("%w: %w", errForbidden, err)
	}
	return err
}
