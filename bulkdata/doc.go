// Package bulkdata holds the words of the Bulk Data Access guide: the Request, the table of kick-off parameters, Parse, the Manifest,
// and the headers Prefer, Accept and Retry-After.
//
// It decides what a kick-off means and whether it is allowed to mean that; who may ask and how the answer is made is left to
// others. It does no I/O.
package bulkdata
