package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// console tells a person how far a command has come: a line for each step, and
// in between, when it takes longer than a second, what it is waiting for.
type console struct {
	w    io.Writer
	live bool // w is a terminal: the current line can be written again

	mu    sync.Mutex
	began time.Time
	name  string
	doing string
	said  bool // of doing
	stop  chan struct{}
	done  sync.WaitGroup
}

const (
	clearLine = "\r\033[K"
	patience  = time.Second // a step shorter than this is not worth a word while it lasts
	refresh   = 250 * time.Millisecond
)

func newConsole(w io.Writer) *console { return &console{w: w, live: isTerminal(w)} }

// step begins a step.
func (c *console) step(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.name, c.doing, c.said, c.began = name, "starting", false, time.Now()
	stop := make(chan struct{})
	c.stop = stop
	c.done.Go(func() {
		tick := time.NewTicker(refresh)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				c.tell()
			}
		}
	})
}

// progress says what the current step is doing.
func (c *console) progress(doing string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doing, c.said = doing, false
}

func (c *console) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	took := time.Since(c.began)
	switch {
	case took < patience:
	case c.live:
		fmt.Fprintf(c.w, clearLine+"  %-12s %s (%d s)", c.name, c.doing, int(took.Seconds()))
	case !c.said:
		fmt.Fprintf(c.w, "  %-12s %s ...\n", c.name, c.doing)
		c.said = true
	}
}

// finish ends the current step with its result; "" leaves no line.
func (c *console) finish(result string) {
	c.mu.Lock()
	running := c.stop != nil
	if running {
		close(c.stop)
		c.stop = nil
	}
	c.mu.Unlock()
	if !running {
		return
	}
	c.done.Wait()
	if c.live {
		fmt.Fprint(c.w, clearLine)
	}
	if result != "" {
		fmt.Fprintf(c.w, "  %-12s %-48s %5.1f s\n", c.name, result, time.Since(c.began).Seconds())
	}
}

// printf writes lines between steps.
func (c *console) printf(format string, args ...any) { fmt.Fprintf(c.w, format, args...) }
