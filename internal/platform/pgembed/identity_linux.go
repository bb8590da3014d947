package pgembed

import "syscall"

// nobody is 65534 on every Linux; initdb wants a uid that has a name.
const nobody = 65534

func namespaceIdentity(program string) (identity, bool) {
	attr := func() *syscall.SysProcAttr {
		return &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: 0, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: 0, Size: 1}},
		}
	}
	id := identity{"nobody", 0, 0, attr}
	return id, id.command(program, "--version").Run() == nil
}

// stopWithParent has the kernel stop postgres (fast shutdown) when the thread
// that started it ends, which is when we die, however we die.
func stopWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGINT }
