//go:build !linux

package pgembed

import "syscall"

func namespaceIdentity(string) (identity, bool) { return identity{}, false }

// stopWithParent can't be had here: a server that outlives us is stopped at
// the next Start.
func stopWithParent(*syscall.SysProcAttr) {}
