package log

import (
	"fmt"
	"os"
	"sync"
)

// File is a log file that is set aside as PATH.1, in place of the one before,
// when it has grown to its limit. It may be used concurrently.
type File struct {
	path  string
	limit int64

	mu   sync.Mutex
	f    *os.File
	size int64
}

// OpenFile opens the file at path for appending, readable by us alone.
func OpenFile(path string, limit int64) (*File, error) {
	l := &File{path: path, limit: limit}
	return l, l.open()
}

func (l *File) open() error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close() // the first error says it all
		return fmt.Errorf("log: %w", err)
	}
	l.f, l.size = f, info.Size()
	return nil
}

// Write implements io.Writer. A line is never split between two files.
func (l *File) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > 0 && l.size+int64(len(line)) > l.limit {
		if err := l.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := l.f.Write(line)
	l.size += int64(n)
	return n, err
}

// rotate keeps the open file when another can't be made.
func (l *File) rotate() error {
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	old := l.f
	if err := l.open(); err != nil {
		return err
	}
	return old.Close()
}

// Close closes the file.
func (l *File) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f.Close()
}
