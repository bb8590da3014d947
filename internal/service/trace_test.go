package service_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/ringtest"
)

// traced sends requests that belong to a trace.
type traced string

func (t traced) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Traceparent", "00-"+string(t)+"-b7ad6b7169203331-01")
	return http.DefaultTransport.RoundTrip(r)
}

// TestTraceGoesRoundTheRing follows a person onto the ledger: the trace of the
// request is with every step, and nothing personal is with any.
func TestTraceGoesRoundTheRing(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	ring := ringtest.Start(t)
	api := client.New(client.Options{Services: ring.Services, HTTP: &http.Client{Transport: traced(id)}})
	staff, err := api.LogInStaff(t.Context(), ring.Username, ring.Password)
	if err != nil {
		t.Fatal(err)
	}
	people, err := demo.Recruit(t.Context(), api, staff, []demo.Person{{First: canaries["fname"], Last: canaries["lname"], Email: canaries["email"],
		Born: canaries["dateOfBirth"], Gender: "FEMALE", Country: "CH", Document: canaries["document"], Password: secret}})
	if err != nil {
		t.Fatal(err)
	}
	command := people[0].Opened.CommandID

	s := &system{t: t, owner: ring.Database.Pool(t, "")}
	if n := s.count(`SELECT count(*) FROM app.commands WHERE id = $1 AND traceparent LIKE '00-'||$2||'-%-01' AND traceparent NOT LIKE '%b7ad6b7169203331%'`, command, id); n != 1 {
		t.Error("the command is not in the trace")
	}
	if n := s.count(`SELECT count(*) FROM ledger.transactions WHERE position(convert_to($1, 'UTF8') IN event) > 0`, `"trace":"00-`+id); n != 1 {
		t.Errorf("%d envelopes are in the trace", n)
	}
	told := map[string]bool{}
	for line := range strings.Lines(ring.Log()) {
		var entry struct {
			Message     string `json:"msg"`
			CommandID   string `json:"commandId"`
			TraceID     string `json:"traceId"`
			TraceParent string `json:"traceparent"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if entry.CommandID == command && (strings.HasPrefix(entry.TraceParent, "00-"+id)) || entry.TraceID == id {
			told[entry.Message] = true
		}
	}
	for _, step := range []string{"request", "command submitted", "command projected"} {
		if !told[step] {
			t.Errorf("no log of %q in the trace", step)
		}
	}

	var states []string
	for e, err := range staff.StreamCommand(t.Context(), command, client.At("admin")) {
		if err != nil {
			t.Fatal(err)
		}
		var v client.CommandView
		if err := json.Unmarshal(e.Data, &v); err != nil {
			t.Fatal(err)
		}
		states = append(states, string(v.Status))
	}
	if !slices.Equal(states, []string{"CONFIRMED"}) {
		t.Errorf("the stream of what has ended tells %v", states)
	}

	if found := leaks(s.dump()); found != nil {
		t.Errorf("the database, the ledger in it, tells %v", found)
	}
	if found := leaks(ring.Log()); found != nil {
		t.Errorf("the logs tell %v", found)
	}
}
