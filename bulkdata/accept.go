package bulkdata

// AcceptOK reports whether the Accept header of a kick-off allows our answer.
func AcceptOK(accept string) bool { return false }
