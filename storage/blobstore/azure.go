//go:build !noazure

package blobstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob/azureblob"
)

func init() { openers["azblob"] = openAzure }

// openAzure takes credentials from AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, or as azidentity's default chain finds them (environment,
// workload identity, managed identity, az login).
func openAzure(ctx context.Context, at Location) (cloud, error) {
	account := at.get("account")
	if account == "" {
		account = os.Getenv("AZURE_STORAGE_ACCOUNT")
	}
	if account == "" {
		return cloud{}, errors.New("no account: give account= in storage.url, or AZURE_STORAGE_ACCOUNT")
	}
	endpoint := at.get("endpoint")
	if endpoint == "" {
		endpoint = fmt.Sprintf("https://%s.blob.core.windows.net", account)
	}
	client, err := azureClient(endpoint, account, at.Bucket)
	if err != nil {
		return cloud{}, err
	}
	bucket, err := azureblob.OpenBucket(ctx, client, nil)
	if err != nil {
		return cloud{}, err
	}
	return cloud{
		bucket:  bucket,
		put:     func(ctx context.Context, w *writer, id string) error { return putAzure(ctx, client, at, w, id) },
		address: func(key string) string { return endpoint + "/" + at.Bucket + "/" + key },
	}, nil
}

// putAzure sends an object in one request. (The library's streaming writer leaves blocks behind when it is broken off.)
func putAzure(ctx context.Context, client *container.Client, at Location, w *writer, id string) error {
	kind := contentType(w.o)
	o := &blockblob.UploadOptions{Metadata: map[string]*string{writeID: &id}, HTTPHeaders: &blob.HTTPHeaders{BlobContentType: &kind}}
	if w.o.ContentEncoding != "" {
		o.HTTPHeaders.BlobContentEncoding = &w.o.ContentEncoding
	}
	if scope := at.get("encryption_scope"); scope != "" {
		o.CPKScopeInfo = &blob.CPKScopeInfo{EncryptionScope: &scope}
	}
	if w.o.IfAbsent {
		any := azcore.ETagAny
		o.AccessConditions = &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &any}}
	}
	_, err := client.NewBlockBlobClient(at.Prefix+w.key).Upload(ctx, streaming.NopCloser(w.spool.body()), o)
	if bloberror.HasCode(err, bloberror.BlobAlreadyExists, bloberror.ConditionNotMet) {
		return errRefused
	}
	var answer *azcore.ResponseError
	if errors.As(err, &answer) && answer.StatusCode == http.StatusForbidden {
		return fmt.Errorf("%w: %w", errForbidden, err)
	}
	return err
}

func azureClient(endpoint, account, name string) (*container.Client, error) {
	address, err := url.JoinPath(endpoint, name)
	if err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	plain(t)
	o := &container.ClientOptions{}
	o.Transport = &http.Client{Transport: t}
	o.Telemetry = policy.TelemetryOptions{ApplicationID: "sluice"}
	if key := os.Getenv("AZURE_STORAGE_KEY"); key != "" {
		cred, err := azblob.NewSharedKeyCredential(account, key)
		if err != nil {
			return nil, errors.New("AZURE_STORAGE_KEY is not a key") // the library's error would show it
		}
		return container.NewClientWithSharedKeyCredential(address, cred, o)
	}
	if sas := os.Getenv("AZURE_STORAGE_SAS_TOKEN"); sas != "" {
		return container.NewClientWithNoCredential(address+"?"+sas, o)
	}
	cred, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, err
	}
	return container.NewClient(address, cred, o)
}
