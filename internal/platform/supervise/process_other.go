//go:build !linux

package supervise

import "syscall"

// endWithParent has no equivalent here: children of a killed parent live on.
func endWithParent(*syscall.SysProcAttr) {}
