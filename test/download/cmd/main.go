// Command cmd is the Go client of the download test: it fetches the files of an export as any program with net/http does, and then
// breaks and resumes downloads at random bytes. It shares no code with Sluice, on purpose.
//
//	cmd download MANIFEST TOKENFILE           one line a file and coding: client, coding, name, lines, bytes, SHA-256
//	cmd cuts MANIFEST TOKENFILE SEED CUTS     resumes by Range and If-Range, HEAD against GET; prints figures
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
)

// manifest is what a client reads of the manifest.
type manifest struct {
	Output, Error []file
}

type file struct {
	Type  string
	URL   string
	Count int
}

func (f file) name() string { return path.Base(f.URL) }

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "go client:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) < 3 {
		return fmt.Errorf("usage: download MANIFEST TOKENFILE | cuts MANIFEST TOKENFILE SEED CUTS")
	}
	raw, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	token, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	files := append(m.Output, m.Error...)
	if len(files) == 0 {
		return fmt.Errorf("the manifest names no files")
	}
	c := client{token: strings.TrimSpace(string(token))}
	switch {
	case args[0] == "download" && len(args) == 3:
		return c.download(files, out)
	case args[0] == "cuts" && len(args) == 5:
		seed, err := strconv.ParseUint(args[3], 10, 64)
		if err != nil {
			return err
		}
		cuts, err := strconv.Atoi(args[4])
		if err != nil {
			return err
		}
		return c.breakAll(files, seed, cuts, out)
	}
	return fmt.Errorf("unknown command %q", args[0])
}
