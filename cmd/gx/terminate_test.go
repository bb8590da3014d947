package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// terminate WORD URL lets 32 clients read a URL over connections that they keep, and
// ends the background command with a word among its arguments meanwhile: every
// request is answered in full, the last one with a word that there are no more.
func terminate(ts *testscript.TestScript, _ bool, args []string) {
	u, err := url.Parse(args[1])
	ts.Check(err)
	const clients = 32
	var busy, all sync.WaitGroup
	busy.Add(clients)
	answers, failures := make([]int, clients), make([]error, clients)
	for i := range clients {
		all.Go(func() {
			entered := sync.OnceFunc(busy.Done)
			defer entered()
			answers[i], failures[i] = readUntilClosed(u, entered)
		})
	}
	busy.Wait()
	for _, c := range ts.BackgroundCmds() {
		if slices.Contains(c.Args, args[0]) {
			ts.Check(c.Process.Signal(syscall.SIGTERM))
		}
	}
	all.Wait()
	reset := 0
	for i, err := range failures {
		if err != nil {
			reset++
			ts.Logf("client %d after %d answers: %v", i, answers[i], err)
		}
	}
	if reset > 0 {
		ts.Fatalf("%d of %d clients were reset", reset, clients)
	}
}

// readUntilClosed reads a URL again and again until an answer says that the
// connection will be closed; entered is called after the first.
func readUntilClosed(u *url.URL, entered func()) (answers int, err error) {
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patienceOfTests)); err != nil {
		return 0, err
	}
	r := bufio.NewReader(c)
	for {
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", u.Path, u.Host); err != nil {
			return answers, err
		}
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			return answers, err
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return answers, err
		}
		if answer.StatusCode != http.StatusOK {
			return answers, fmt.Errorf("status %s", answer.Status)
		}
		answers++
		entered()
		if answer.Close {
			return answers, nil
		}
	}
}
