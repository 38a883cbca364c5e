package export

// Oldest is the oldest format of records that this process reads and writes; Format, the newest, is that of the exports it accepts.
//
// All records of an export have the format of its spec. So an export that was begun by an older version goes on under a newer one, and
// also when that is taken back; one that was begun by a newer version is left alone until that is there again.
const Oldest = 1

// known tells whether this process reads and writes records of a format.
func known(format int) bool { return Oldest <= format && format <= Format }
