package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestOperations compares the generated code with what the document gives now.
func TestOperations(t *testing.T) {
	source, err := os.ReadFile("client.go")
	if err != nil {
		t.Fatal(err)
	}
	into := filepath.Join(t.TempDir(), "operations.gen.go")
	_, directive, _ := strings.Cut(string(source), "//go:generate ")
	directive, _, _ = strings.Cut(directive, "\n")
	command := strings.Fields(strings.Replace(directive, "operations.gen.go", into, 1))
	if _, err := os.Stat(command[0]); err != nil {
		t.Skipf("SKIPPED: %s is not there; make generate installs it", command[0])
	}
	if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want, err1 := os.ReadFile(into)
	got, err2 := os.ReadFile("operations.gen.go")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), string(want)); diff != "" {
		t.Errorf("api/client/operations.gen.go is stale; rewrite it with: make generate\n%s", diff)
	}
}

// TestEveryOperation needs no tool: each operation of the document is a method.
func TestEveryOperation(t *testing.T) {
	raw, err1 := os.ReadFile("../openapi/gx.json")
	generated, err2 := os.ReadFile("operations.gen.go")
	streams, err3 := os.ReadFile("stream.go")
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	code := append(generated, streams...)
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		}
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	if len(document.Paths) == 0 {
		t.Fatal("the document has no paths")
	}
	for path, item := range document.Paths {
		for method, op := range item {
			declaration := fmt.Sprintf("(%s %s).\nfunc (c *client) %s(", method, path, op.OperationID)
			if !strings.Contains(strings.ToLower(string(code)), strings.ToLower(declaration)) {
				t.Errorf("%s %s is no method of Client: run go generate ./api/...", strings.ToUpper(method), path)
			}
		}
	}
}

// api answers with what a test wants.
type api func(w http.ResponseWriter, r *http.Request, body string)

func serve(t *testing.T, a api) *Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		a(w, r, string(body))
	}))
	t.Cleanup(s.Close)
	return New(Options{URL: s.URL})
}

func refuse(w http.ResponseWriter, status int, code, more string, header ...string) {
	for i := 0; i < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"status":%d,"code":%q,"detail":"No."%s}`, status, code, more)
}

func TestRequest(t *testing.T) {
	type seen struct{ Method, URL, Body, Authorization, Key, Prefer, After, ContentType string }
	var got seen
	c := serve(t, func(w http.ResponseWriter, r *http.Request, body string) {
		h := r.Header
		got = seen{r.Method, r.URL.String(), body, h.Get("Authorization"), h.Get("Idempotency-Key"), h.Get("Prefer"), h.Get("Gx-After"), h.Get("Content-Type")}
		w.Header().Set("Idempotency-Hit", "true")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, `{"commandId":"c1","status":"PENDING","newMember":1}`)
	})
	ada := c.As(Tokens{AccessToken: "a", ExpiresIn: 900})
	ctx := t.Context()

	var answer Answer
	r, err := ada.CreateTransfer(ctx, Payment{ToID: "bob", Amount: "1"}, IdempotencyKey("key-0001"), Wait(5), Receive(&answer))
	if err != nil || r.CommandID != "c1" || r.Status != CommandStatusPENDING {
		t.Errorf("%+v, %v", r, err)
	}
	if answer.Status != 202 || !answer.Replayed() {
		t.Errorf("answer %+v", answer)
	}
	want := seen{"POST", "/api/v1/transfers", `{"amount":"1","toID":"bob"}`, "Bearer a", "key-0001", "wait=5", "", "application/json"}
	if got != want {
		t.Errorf("sent %+v, want %+v", got, want)
	}

	if _, err := ada.ListTransactions(ctx, "a/b?c", ListTransactionsParams{Limit: 2}, After("c1")); err != nil {
		t.Error(err)
	}
	want = seen{"GET", "/api/v1/wallets/a%2Fb%3Fc/transactions?limit=2", "", "Bearer a", "", "", "c1", ""}
	if got != want {
		t.Errorf("sent %+v, want %+v", got, want)
	}

	// Without a body there is none, and a change always has a key.
	if _, err := ada.ApproveUser(ctx, "x", nil); err != nil {
		t.Error(err)
	}
	if got.Body != "" || got.ContentType != "" || len(got.Key) < 16 {
		t.Errorf("sent %+v", got)
	}

	// Times are written as the API reads them, and left out when there are none.
	if _, err := ada.ListAuditLog(ctx, ListAuditLogParams{From: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))}); err != nil {
		t.Error(err)
	}
	if want := "/api/v1/admin/audit-logs?from=2026-01-02T02%3A04%3A05Z"; got.URL != want {
		t.Errorf("sent %s, want %s", got.URL, want)
	}

	// What a caller has put together goes as it is.
	raw, err := ada.Send(ctx, "tax", "POST", "/api/v1/a b?c=d", json.RawMessage(`{"e":1}`), IdempotencyKey("key-0002"))
	if err != nil || !strings.Contains(string(raw), `"newMember":1`) {
		t.Errorf("%s, %v", raw, err)
	}
	want = seen{"POST", "/api/v1/a%20b?c=d", `{"e":1}`, "Bearer a", "key-0002", "", "", "application/json"}
	if got != want {
		t.Errorf("sent %+v, want %+v", got, want)
	}
	if _, err := c.Send(ctx, "tax", "GET", "/api/v1/x", nil); err != nil || got.Authorization != "" || got.Body != "" {
		t.Errorf("sent %+v as nobody, %v", got, err)
	}
	for _, target := range []string{"", "x", "//other.example/x", "https://other.example/x", "%"} {
		if _, err := c.Send(ctx, "tax", "GET", target, nil); err == nil {
			t.Errorf("%q is a path", target)
		}
	}

	// What is public is sent without a token.
	if _, err := ada.GetSupply(ctx); err != nil || got.Authorization != "" {
		t.Errorf("sent %+v, %v", got, err)
	}
	if _, err := c.GetMe(ctx); !errors.Is(err, ErrNotLoggedIn) {
		t.Errorf("without a session: %v", err)
	}
}

func TestServices(t *testing.T) {
	var at string
	named := func(name string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { at = name; fmt.Fprint(w, "{}") }))
		t.Cleanup(s.Close)
		return s.URL
	}
	c := New(Options{URL: named("gateway"), Services: map[string]string{"tax": named("tax") + "/", "identity": named("identity")}})
	for want, call := range map[string]func() error{
		"tax":      func() error { _, err := c.GetFeeSchedule(t.Context()); return err },
		"gateway":  func() error { _, err := c.GetSupply(t.Context()); return err },
		"identity": func() error { _, err := c.Health(t.Context()); return err },
	} {
		if err := call(); err != nil || at != want {
			t.Errorf("sent to %s, want %s: %v", at, want, err)
		}
	}
	if _, err := c.Health(t.Context(), At("tax")); err != nil || at != "tax" {
		t.Errorf("sent to %s: %v", at, err)
	}
	if _, err := New(Options{}).Health(t.Context()); err == nil || !strings.Contains(err.Error(), "identity is not known") {
		t.Errorf("without an address: %v", err)
	}
}

func TestProblem(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		switch r.URL.Path {
		case "/api/v1/supply":
			refuse(w, 422, "insufficient_funds", `,"available":"5","required":"7","success":false,"errors":[{"field":"a","code":"a_invalid","message":"is bad"},{"field":"b","code":"b_invalid","message":"is worse"}]`, "Retry-After", "7")
		default:
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprint(w, "<html>")
		}
	})
	_, err := c.GetSupply(t.Context())
	var p *Problem
	if !errors.As(err, &p) {
		t.Fatal(err)
	}
	if p.Status != 422 || Code(err) != "insufficient_funds" || p.RetryAfter != 7*time.Second || len(p.Errors) != 2 {
		t.Errorf("problem %+v", p)
	}
	if diff := cmp.Diff(map[string]string{"available": "5", "required": "7"}, p.Facts); diff != "" {
		t.Error(diff)
	}
	if want := "GET /api/v1/supply: a is bad; b is worse (422 insufficient_funds)"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if _, err := c.ListPools(t.Context()); Code(err) != "http_418" {
		t.Errorf("foreign answer: %v", err)
	}
	if Code(errors.New("x")) != "" || Code(nil) != "" {
		t.Error("a code out of nothing")
	}
}

func TestRepetition(t *testing.T) {
	var calls atomic.Int32
	keys := map[string]bool{}
	c := serve(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		keys[r.Header.Get("Idempotency-Key")] = true
		switch n := calls.Add(1); {
		case n == 1:
			panic(http.ErrAbortHandler)
		case n == 2:
			refuse(w, 503, "unavailable", "", "Retry-After", "0")
		default:
			fmt.Fprint(w, `{"commandId":"c1"}`)
		}
	})
	ada := c.As(Tokens{AccessToken: "a", ExpiresIn: 900})
	if r, err := ada.CreateTransfer(t.Context(), Payment{}); err != nil || r.CommandID != "c1" || calls.Load() != 3 || len(keys) != 1 {
		t.Errorf("%+v, %v after %d requests with %d keys", r, err, calls.Load(), len(keys))
	}
	// A public request that changes something has no key: it is not repeated.
	calls.Store(0)
	if _, err := c.Register(t.Context(), IdentityRegisterRequest{}); err == nil || calls.Load() != 1 {
		t.Errorf("%v after %d requests", err, calls.Load())
	}
	// A refusal stays one, and the number of attempts is bounded.
	for code, want := range map[string]int32{"insufficient_funds": 1, "idempotency_in_progress": 3} {
		calls.Store(0)
		ada := serve(t, func(w http.ResponseWriter, r *http.Request, _ string) {
			calls.Add(1)
			refuse(w, 409, code, "")
		}).As(Tokens{AccessToken: "a", ExpiresIn: 900})
		if _, err := ada.CreateTransfer(t.Context(), Payment{}); Code(err) != code || calls.Load() != want {
			t.Errorf("%s: %v after %d requests", code, err, calls.Load())
		}
	}
	// The end of the context ends the waiting.
	ctx, cancel := context.WithCancel(t.Context())
	slow := serve(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		refuse(w, 503, "unavailable", "", "Retry-After", "3600")
		cancel()
	})
	if _, err := slow.GetSupply(ctx); err == nil {
		t.Error("an endless wait succeeded")
	}
}

func TestSession(t *testing.T) {
	var refreshes atomic.Int32
	var staff atomic.Bool
	c := serve(t, func(w http.ResponseWriter, r *http.Request, body string) {
		switch r.URL.Path {
		case "/api/v1/auth/login":
			fmt.Fprint(w, `{"accessToken":"a0","refreshToken":"r0","tokenType":"Bearer","expiresIn":900,"user":{"profileId":"p"}}`)
		case "/api/v1/auth/refresh", "/api/v1/admin/auth/refresh":
			staff.Store(strings.Contains(r.URL.Path, "admin"))
			n := refreshes.Add(1)
			if want := fmt.Sprintf(`{"refreshToken":"r%d"}`, n-1); body != want {
				t.Errorf("refreshed with %s, want %s", body, want)
			}
			fmt.Fprintf(w, `{"accessToken":"a%d","refreshToken":"r%d","tokenType":"Bearer","expiresIn":900}`, n, n)
		default:
			if want := fmt.Sprintf("Bearer a%d", refreshes.Load()); r.Header.Get("Authorization") != want {
				refuse(w, 401, "token_expired", "")
				return
			}
			fmt.Fprint(w, "{}")
		}
	})
	var now atomic.Int64
	c.o.Clock = func() time.Time { return time.Unix(now.Load(), 0) }
	ada, err := c.LogIn(t.Context(), "ada@example.org", "x")
	if err != nil {
		t.Fatal(err)
	}
	together := func() {
		t.Helper()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := ada.GetMe(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	together()
	if n := refreshes.Load(); n != 0 {
		t.Errorf("%d renewals of a fresh session", n)
	}
	now.Store(871)
	together()
	if n := refreshes.Load(); n != 1 {
		t.Errorf("%d renewals of a session that ends soon", n)
	}
	if tokens, ok := ada.Tokens(); !ok || tokens.RefreshToken != "r1" {
		t.Errorf("tokens %+v", tokens)
	}
	if _, ok := c.Tokens(); ok {
		t.Error("tokens of nobody")
	}
	// Kept tokens whose age is not known are renewed at once, those of staff at their door.
	if _, err := c.AsStaff(Tokens{AccessToken: "a1", RefreshToken: "r1"}).GetCounters(t.Context()); err != nil || !staff.Load() || refreshes.Load() != 2 {
		t.Errorf("%v after %d renewals, of staff %v", err, refreshes.Load(), staff.Load())
	}
	// The service's word is the last.
	if _, err := c.As(Tokens{AccessToken: "old", RefreshToken: "r2", ExpiresIn: 900}).GetMe(t.Context()); err != nil || refreshes.Load() != 3 {
		t.Errorf("%v after %d renewals", err, refreshes.Load())
	}
}

// Clients of several processes share one session without renewing it twice.
func TestSharedSession(t *testing.T) {
	var refreshes atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request, body string) {
		if strings.HasSuffix(r.URL.Path, "/auth/refresh") {
			n := refreshes.Add(1)
			if want := fmt.Sprintf(`{"refreshToken":"r%d"}`, n-1); body != want {
				refuse(w, 401, "token_revoked", "")
				return
			}
			fmt.Fprintf(w, `{"accessToken":"a%d","refreshToken":"r%d","tokenType":"Bearer","expiresIn":900}`, n, n)
			return
		}
		if want := fmt.Sprintf("Bearer a%d", refreshes.Load()); r.Header.Get("Authorization") != want {
			refuse(w, 401, "token_expired", "")
			return
		}
		fmt.Fprint(w, "{}")
	})
	var now atomic.Int64
	c.o.Clock = func() time.Time { return time.Unix(now.Load(), 0) }
	var mu sync.Mutex
	kept := c.Keep(Tokens{AccessToken: "a0", RefreshToken: "r0", ExpiresIn: 900})
	keep := func(renew func(Kept) (Kept, error)) error {
		mu.Lock()
		defer mu.Unlock()
		k, err := renew(kept)
		if err == nil {
			kept = k
		}
		return err
	}
	processes := []*Client{c.Resume(false, keep), c.Resume(false, keep)}
	for at, want := range []int32{0, 1, 2} {
		now.Store(int64(at) * 900)
		for _, p := range processes {
			if _, err := p.GetMe(t.Context()); err != nil || refreshes.Load() != want {
				t.Errorf("%v after %d renewals, want %d", err, refreshes.Load(), want)
			}
		}
	}
	if kept.RefreshToken != "r2" || !kept.Expires.Equal(time.Unix(2700, 0)) {
		t.Errorf("kept %+v", kept)
	}
	kept.RefreshToken = "stolen"
	now.Store(2700)
	if _, err := processes[0].GetMe(t.Context()); Code(err) != "token_revoked" || kept.RefreshToken != "stolen" {
		t.Errorf("%v, kept %+v", err, kept)
	}
}

func TestAwait(t *testing.T) {
	states := []string{`{"status":"PENDING"}`, `{"status":"CONFIRMED","projected":false}`, `{"status":"CONFIRMED","projected":true}`, `{"status":"FAILED","errorCode":"X"}`}
	c := serve(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		if r.Header.Get("Prefer") != "wait=10" {
			t.Errorf("Prefer %q", r.Header.Get("Prefer"))
		}
		fmt.Fprint(w, states[0])
		states = states[1:]
	}).As(Tokens{AccessToken: "a", ExpiresIn: 900})
	if v, err := c.Await(t.Context(), "c1"); err != nil || !v.Projected || len(states) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err := c.Await(t.Context(), "c1"); err != nil || v.ErrorCode != "X" {
		t.Errorf("%+v, %v", v, err)
	}
}
