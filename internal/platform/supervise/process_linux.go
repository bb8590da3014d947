package supervise

import "syscall"

// endWithParent makes the kernel end the child when we end, however we do.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
