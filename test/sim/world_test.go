package sim_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/platform/token"
)

// climate is how often things go wrong; a number is once in so many times.
type climate struct {
	calm   bool
	slow   int // writes that take up to seconds
	stall  int // writes that take up to several lease terms
	death  int // of the process over a write
	loss   int // of the connection over a write
	lies   int // of the ledger, per call
	outage bool
}

// world is one simulation.
type world struct {
	stage *stage
	seed  uint64
	ctx   context.Context // of all processes
	begin time.Time

	mu        sync.Mutex
	random    *rand.Rand
	climate   climate
	processes map[string]*process // by role and number
	lives     int
	ticked    time.Time
	lines     []string
	trace     uint64
	writes    int
	over      bool           // everything has its end
	told      map[string]int // notifications, by channel
}

func newWorld(s *stage, seed uint64) *world {
	return &world{stage: s, seed: seed, processes: map[string]*process{}, told: map[string]int{}, begin: time.Now(), random: rand.New(rand.NewPCG(seed, 0))}
}

// source returns random numbers that depend on the seed and on what they are for.
func (w *world) source(what string, n, life int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, what, " ", n, " ", life)
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

// now is the world's time: what was before the simulation is past.
func (w *world) now() time.Time {
	return w.stage.opened.Add(time.Minute).Add(time.Since(w.begin)).UTC().Truncate(time.Microsecond)
}

// tick sets the database's clock, when it is late.
func (w *world) tick() {
	w.mu.Lock()
	now := w.now()
	late := now.Sub(w.ticked) >= 10*time.Millisecond
	if late {
		w.ticked = now
	}
	w.mu.Unlock()
	if !late {
		return
	}
	if _, err := w.stage.control.ask("SELECT setval('sim.clock', %d)", now.UnixMicro()); err != nil {
		panic(err)
	}
}

// notifications returns how many there were on a channel, which somebody listens on.
func (w *world) notifications(channel string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.told[channel]
	w.told[channel] = n
	return n
}

// listened returns the channels that somebody has listened on and that are named in text.
func (w *world) listened(text string) (channels []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for channel := range w.told {
		if strings.Contains(text, channel) {
			channels = append(channels, channel)
		}
	}
	return channels
}

// notify counts a notification on each channel.
func (w *world) notify(channels []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, channel := range channels {
		w.told[channel]++
	}
}

func (w *world) weather() climate {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.climate
}

func (w *world) change(f func(*climate)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.climate)
}

func (w *world) draw(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.IntN(n)
}

// maxLines of a log are kept, unless every message is logged.
const maxLines = 400

var traced = os.Getenv("GX_SIM_TRACE") != ""

func (w *world) log(format string, args ...any) {
	line := fmt.Sprintf("%12s  %s", time.Since(w.begin), fmt.Sprintf(format, args...))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, line)
	if len(w.lines) > maxLines && !traced {
		w.lines = w.lines[1:]
	}
}

// saw notes what a process does.
func (w *world) saw(p *process, statements []string, f fate) {
	if f.kind != "" || traced {
		w.log("%s %s: %q", p.name, f.kind, brief(statements))
	}
	h := fnv.New64a()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	w.writes++
	fmt.Fprint(h, w.trace, time.Since(w.begin), p.name, len(statements), f.kind)
	w.trace = h.Sum64()
}

// end ends the trace: all processes die at one moment.
func (w *world) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
}

func brief(statements []string) string {
	s := strings.Join(strings.Fields(strings.Join(statements, "; ")), " ")
	return s[:min(len(s), 90)]
}

type lines struct {
	w *world
	p *process
}

func (l lines) Write(b []byte) (int, error) {
	l.w.log("%s says: %s", l.p.name, strings.TrimSpace(string(b)))
	return len(b), nil
}

func (w *world) logger(p *process) *slog.Logger {
	return slog.New(slog.NewTextHandler(lines{w, p}, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// keep keeps a process of a role alive until ctx ends, one life after the other.
func (w *world) keep(ctx context.Context, role string, n int) {
	random := w.source("keeper of "+role, n, 0)
	name := fmt.Sprint(role, n)
	var ghosts sync.WaitGroup // what is dead has goroutines that don't know it yet
	defer ghosts.Wait()
	for life := 1; ctx.Err() == nil; life++ {
		p := w.spawn(role, n, life)
		w.mu.Lock()
		w.processes[name] = p
		w.lives++
		w.mu.Unlock()
		<-p.ctx.Done()
		p.die()
		ghosts.Go(p.parts.Wait)
		w.mu.Lock()
		delete(w.processes, name)
		w.mu.Unlock()
		pause(ctx, time.Duration(random.Int64N(int64(leaseTTL/2))))
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// living returns the processes of a role, all with "".
func (w *world) living(role string) []*process {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*process
	for _, p := range w.processes {
		if (role == "" || p.role == role) && !p.isDead() {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *process) int { return strings.Compare(a.name, b.name) })
	return out
}

// answer serves a request. When the process dies meanwhile, the answer is lost.
func (p *process) answer(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.RemoteAddr, r.RequestURI = "127.0.0.1:1", r.URL.RequestURI()
	done := make(chan *http.Response, 1)
	p.parts.Go(func() {
		w := httptest.NewRecorder()
		p.handler.ServeHTTP(w, r)
		done <- w.Result()
	})
	select {
	case <-p.ctx.Done():
		return nil, errNobody
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case response := <-done:
		if p.isDead() {
			return nil, errNobody
		}
		return response, nil
	}
}

// as returns a client that acts for a person.
func (w *world) as(a actor) *client.Client {
	access, err := w.stage.signer(w.now).Sign(a.profile, a.session, token.Customers)
	if err != nil {
		panic(err)
	}
	c := client.New(client.Options{URL: "http://gx", HTTP: &http.Client{Transport: w, Timeout: 30 * time.Second}, Attempts: 1, Clock: w.now})
	return c.As(client.Tokens{AccessToken: access, ExpiresIn: 1 << 30})
}
