package config

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"strings"
)

// maxSecret bounds what is read from the file of a secret.
const maxSecret = 64 << 10

// readSecrets fills each secret from its …_file twin.
func (c *Config) readSecrets(k *check) {
	for f := range fields(reflect.ValueOf(c).Elem(), "") {
		if !f.file.IsValid() || f.file.IsZero() {
			continue
		}
		if f.value.Kind() == reflect.Map {
			c.readSecretMap(f, k)
			continue
		}
		path := f.path + "_file"
		if !f.value.IsZero() {
			k.say(path, "given together with "+f.path+"; keep one")
			continue
		}
		text, err := c.readSecret(path, f.file.String())
		if err == nil {
			err = setText(f.value, text)
		}
		if err != nil {
			k.cannotRead(c.origins[path], path, err.Error())
			k.unread[f.path] = true
			continue
		}
		c.origins[f.path] = c.origins[path]
	}
}

func (c *Config) readSecretMap(f field, k *check) {
	path := f.path + "_file"
	values := reflect.MakeMap(f.value.Type())
	for _, name := range f.value.MapKeys() {
		values.SetMapIndex(name, f.value.MapIndex(name))
	}
	for _, name := range f.file.MapKeys() {
		if values.MapIndex(name).IsValid() {
			k.say(path, quoted(name.String())+" is given in "+f.path+" too; keep one")
			continue
		}
		text, err := c.readSecret(path, f.file.MapIndex(name).String())
		if err != nil {
			k.add(c.origins[path], path, err.Error())
			continue
		}
		values.SetMapIndex(name, reflect.ValueOf(NewSecret(text)))
	}
	f.value.Set(values)
}

// readSecret returns what is in the file, without the line end behind it.
func (c *Config) readSecret(path, name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("cannot read %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot read %w", err)
	case len(text) > maxSecret:
		return "", fmt.Errorf("%s holds more than 64 KiB", name)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", name)
	}
	if info, err := f.Stat(); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0 {
		c.warnings = append(c.warnings, fmt.Sprintf("%s: %s can be read by every user of this machine; take that right away", path, name))
	}
	return secret, nil
}
