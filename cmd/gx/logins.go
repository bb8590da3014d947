package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"gxcoin.money/gx/api/client"
)

// login is a session that one user of this machine has with a system.
type login struct {
	Name  string `json:"name"` // e-mail address, or name of a member of staff
	Staff bool   `json:"staff,omitempty"`
	Place place  `json:"place"`
	client.Kept
}

func (l login) named(name string) bool { return strings.EqualFold(l.Name, name) }

func (l login) same(other login) bool {
	return l.Staff == other.Staff && l.Place == other.Place && l.named(other.Name)
}

// logins is the file that keeps them, the last one first. Only its owner can read it.
type logins struct{ path string }

func openLogins() (logins, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return logins{}, fmt.Errorf("there is no place for logins: %w", err)
	}
	return logins{filepath.Join(dir, "gx", "logins.json")}, nil
}

func (f logins) list() ([]login, error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others can read the logins in %s: run \"chmod 600\" on it", f.path)
	}
	var list []login
	if err := json.NewDecoder(file).Decode(&list); err != nil {
		return nil, fmt.Errorf("%s can't be read, remove it and log in again: %w", f.path, err)
	}
	return list, nil
}

// find returns the last login that matches, nil when there is none.
func (f logins) find(match func(login) bool) (*login, error) {
	list, err := f.list()
	if i := slices.IndexFunc(list, match); i >= 0 {
		return &list[i], nil
	}
	return nil, err
}

// change lets one process at a time replace the list.
func (f logins) change(do func([]login) ([]login, error)) error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(f.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() // which unlocks it
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	list, err := f.list()
	if err != nil {
		return err
	}
	if list, err = do(list); err != nil {
		return err
	}
	content, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(f.path), "logins-*") // only its owner can read it
	if err != nil {
		return err
	}
	_, err = next.Write(append(content, '\n'))
	if err = errors.Join(err, next.Sync(), next.Close()); err == nil {
		err = os.Rename(next.Name(), f.path)
	}
	if err != nil {
		_ = os.Remove(next.Name())
	}
	return err
}

// add makes l the last login.
func (f logins) add(l login) error {
	return f.change(func(list []login) ([]login, error) {
		return append([]login{l}, slices.DeleteFunc(list, l.same)...), nil
	})
}

func (f logins) remove(l login) error {
	return f.change(func(list []login) ([]login, error) { return slices.DeleteFunc(list, l.same), nil })
}

// keeper keeps the tokens of a login for all processes of its user.
func (f logins) keeper(l login) client.Keeper {
	return func(renew func(client.Kept) (client.Kept, error)) error {
		return f.change(func(list []login) ([]login, error) {
			i := slices.IndexFunc(list, l.same)
			if i < 0 {
				return nil, client.ErrNotLoggedIn // meanwhile
			}
			var err error
			list[i].Kept, err = renew(list[i].Kept)
			return list, err
		})
	}
}
