package service_test

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/service/door"
)

var (
	fuzzSeed     = flag.Uint64("contract.seed", 1, "seed of the hostile requests")
	fuzzRequests = flag.Int("contract.requests", 12, "hostile requests for each operation")
)

// TestHostileRequests sends requests made from the OpenAPI documents and then
// broken to every operation. None is a fault of ours, what is refused is refused
// with a whole problem and has changed nothing, and what the document forbids is
// not accepted.
func TestHostileRequests(t *testing.T) {
	s := newSystem(t)
	s.open()
	f := &fuzzer{system: s, own: s.person("Ada", "CH", gx(500)), other: s.person("Bob", "GH", gx(500)), newcomer: s.person("Eve", "LK", nil)}
	f.things = s.things(f.own)
	f.colleague, _ = s.staff(door.Moderator)
	f.fingerprint = s.fingerprint()
	operations, accepted := map[string]bool{}, 0
	for _, d := range service.Doors {
		document := f.document(d.Name)
		for _, r := range s.doors[d.Name].Routes {
			op, ok := lookup(document, "paths", r.URL(), strings.ToLower(r.Method)).(map[string]any)
			if !ok {
				if !r.Hidden {
					t.Errorf("%s %s is not in the document", r.Method, r.URL())
				}
				continue
			}
			if operations[r.Method+r.URL()] {
				continue // every service has it
			}
			operations[r.Method+r.URL()] = true
			t.Run(d.Name+"/"+r.ID, func(t *testing.T) {
				s.t = t
				h := fnv.New64()
				_, _ = h.Write([]byte(d.Name + r.ID)) // never fails
				f.rand = rand.New(rand.NewPCG(*fuzzSeed, h.Sum64()))
				f.schemas, _ = lookup(document, "components", "schemas").(map[string]any)
				f.enter(r)
				for range *fuzzRequests {
					if f.attack(t, d.Name, r, op) {
						accepted++
						f.enter(r) // it may have ended a session
					}
				}
			})
		}
	}
	s.t = t
	if len(operations) < 90 || accepted < len(operations) {
		t.Errorf("%d operations accepted %d requests: the requests are too far from what is right", len(operations), accepted)
	}
	t.Logf("%d operations, %d requests each, %d accepted", len(operations), *fuzzRequests, accepted)
	if log := s.log.String(); strings.Contains(log, "panic in a handler") {
		t.Errorf("a handler has panicked:\n%s", log)
	}
}

type fuzzer struct {
	*system
	own, other, newcomer person
	things               *strings.Replacer
	colleague            uuid.UUID
	rand                 *rand.Rand
	schemas              map[string]any
	bearers              []string // from whom requests come

	fingerprint func() map[string]string
	tables      map[string]string // what was in them
	mark        string            // when
}

func (f *fuzzer) document(doorName string) map[string]any {
	w := httptest.NewRecorder()
	f.doors[doorName].ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	var document map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
		f.t.Fatal(err)
	}
	return document
}

// fingerprint returns a function that tells what is in every table.
func (s *system) fingerprint() func() map[string]string {
	var query string
	s.scan(`SELECT string_agg(format('SELECT %L AS name, count(*) || '' rows, sum '' || coalesce(sum(hashtextextended(t::text, 0)), 0) AS sum FROM %I.%I t',
			schemaname || '.' || tablename, schemaname, tablename), ' UNION ALL ')
		FROM pg_tables WHERE schemaname IN ('app', 'read')`, nil, &query)
	return func() map[string]string {
		rows, err := s.owner.Query(s.t.Context(), query)
		if err != nil {
			s.t.Fatal(err)
		}
		defer rows.Close()
		tables := map[string]string{}
		for rows.Next() {
			var name, sum string
			if err := rows.Scan(&name, &sum); err != nil {
				s.t.Fatal(err)
			}
			tables[name] = sum
		}
		if rows.Err() != nil {
			s.t.Fatal(rows.Err())
		}
		return tables
	}
}

// written returns a number that is the same as before when nobody has written anything.
func (s *system) written() (next string) {
	s.scan(`SELECT pg_snapshot_xmax(pg_current_snapshot())::text`, nil, &next)
	return next
}

// listener leaves a stream as soon as it is open.
type listener struct {
	*httptest.ResponseRecorder
	leave func()
}

// Flush implements http.Flusher.
func (l listener) Flush() {
	l.ResponseRecorder.Flush()
	if l.Header().Get("Content-Type") == eventStream {
		l.leave()
	}
}

const eventStream = "text/event-stream"

// guess says whether a table may change because a password or code was tried,
// which is counted until the right one is given.
func guess(table string, op map[string]any, schemas map[string]any) bool {
	name, _ := strings.CutPrefix(fmt.Sprint(bodySchema(op)["$ref"]), "#/components/schemas/")
	for _, secret := range []string{"password", "currentPassword", "code"} {
		if lookup(schemas, name, "properties", secret) != nil {
			return slices.Contains([]string{"app.people", "app.staff", "app.staff_challenges"}, table)
		}
	}
	return false
}

// attack sends one request and reports whether it was accepted.
func (f *fuzzer) attack(t *testing.T, doorName string, route door.Route, op map[string]any) bool {
	r, body := f.request(route, op)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	w := listener{httptest.NewRecorder(), leave}
	f.doors[doorName].ServeHTTP(w, r.WithContext(ctx))
	describe := func() string {
		headers := maps.Clone(r.Header)
		headers.Del("Authorization")
		return fmt.Sprintf("%s %s\n%.300v\n%.600q\nis answered with %d %.600s", r.Method, r.URL, headers, body, w.Code, w.Body)
	}
	if w.Code >= 500 && !(w.Code == http.StatusServiceUnavailable && route.Path == "//readyz") {
		t.Errorf("a fault of ours: %s", describe())
	}
	for _, secret := range []string{"SQLSTATE", "pgx", "goroutine", ".go:", "runtime error", "syntax error"} {
		if strings.Contains(w.Body.String(), secret) {
			t.Errorf("the answer shows our inside (%s): %s", secret, describe())
		}
	}
	if w.Code >= 300 && w.Code < 400 {
		return false // the mux knows a cleaner path
	}
	if wrong := f.examine(doorName, r, w.ResponseRecorder); wrong != "" {
		t.Errorf("%s: %s", wrong, describe())
	}
	if w.Code >= 400 {
		if f.mark != f.written() {
			tables := f.fingerprint()
			for name, sum := range tables {
				if sum != f.tables[name] && !guess(name, op, f.schemas) {
					t.Errorf("it was refused, but %s has changed: %s", name, describe())
				}
			}
			f.mark, f.tables = f.written(), tables
		}
		return false
	}
	if schema := bodySchema(op); schema != nil {
		if err := f.contracts[doorName].checkBody(route, body); err != nil {
			t.Errorf("it was accepted, but the document forbids it (%v): %s", err, describe())
		}
	}
	return true
}

// harm returns a function that tells, for each place of a request, whether it is
// to be broken; it breaks so many at most.
func (f *fuzzer) harm(places int) func() bool {
	return func() bool {
		if places > 0 && f.rand.IntN(4) == 0 {
			places--
			return true
		}
		return false
	}
}

// request makes a request as the document wants it, and then breaks its body or
// something around it.
func (f *fuzzer) request(route door.Route, op map[string]any) (*http.Request, string) {
	path, query, header := route.URL(), url.Values{}, http.Header{"User-Agent": {"test"}}
	schema := bodySchema(op)
	harm, inside := f.harm(0), f.harm(0)
	switch n := f.rand.IntN(10); {
	case n == 0: // nothing
	case schema != nil && n < 7:
		inside = f.harm(1 + f.rand.IntN(2))
	default:
		harm = f.harm(1 + f.rand.IntN(2))
	}
	parameters, _ := op["parameters"].([]any)
	for _, p := range parameters {
		p := p.(map[string]any)
		name, in := p["name"].(string), p["in"].(string)
		schema, _ := p["schema"].(map[string]any)
		value := f.parameter(name, schema)
		if in != "header" && harm() {
			value = f.text()
		}
		switch in {
		case "path":
			if value == "" {
				value = "-" // another route otherwise
			}
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
		case "query":
			if p["required"] == true || f.rand.IntN(2) == 0 {
				query.Add(name, value)
			}
		case "header":
			header.Set(name, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(hostileHeaders)) {
		if f.rand.IntN(4) == 0 && harm() {
			header.Set(name, f.oneOf(hostileHeaders[name]...))
		}
	}
	if harm() {
		query.Add(f.text(), f.text())
	}
	body := ""
	if schema != nil {
		raw, err := json.Marshal(f.value("", schema, 0, inside), json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
		if err != nil {
			f.t.Fatal(err)
		}
		body = string(raw)
		if inside() {
			body = f.mangle(body)
		}
		header.Set("Content-Type", "application/json")
		if harm() {
			header.Set("Content-Type", f.oneOf("text/plain", "application/xml", "", "application/json; charset=utf-16", "multipart/form-data", f.text()))
		}
	}
	if op["security"] != nil && !harm() {
		header.Set("Authorization", "Bearer "+f.oneOf(f.bearers...))
	}
	target := &url.URL{Path: path, RawQuery: query.Encode()}
	if unescaped, err := url.PathUnescape(path); err == nil {
		target.Path, target.RawPath = unescaped, path
	}
	r := httptest.NewRequest(route.Method, "/", strings.NewReader(body))
	r.URL, r.Header, r.RequestURI = target, header, target.RequestURI()
	return r, body
}

// enter logs those in who may use the route, as a rule.
func (f *fuzzer) enter(route door.Route) {
	f.bearers = []string{f.session(token.Customers, f.newcomer.profile), f.session(token.Customers, f.own.profile)}
	if p := route.Policy; p.Customer || p.Object != door.NoObject {
		f.bearers = append(f.bearers, slices.Repeat(f.bearers[1:], 4)...)
	}
	if p := route.Policy; p.Staff != 0 || p.Object != door.NoObject {
		_, admin := f.staff(door.SuperAdmin)
		_, owner := f.staff(door.SuperOwner)
		f.bearers = append(f.bearers, admin, owner, owner, owner, owner)
	}
	f.tables = f.fingerprint()
	f.mark = f.written()
}

func lookup(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func bodySchema(op map[string]any) map[string]any {
	schema, _ := lookup(op, "requestBody", "content", "application/json", "schema").(map[string]any)
	return schema
}

// examine returns what is wrong with an answer.
func (f *fuzzer) examine(doorName string, r *http.Request, w *httptest.ResponseRecorder) string {
	contentType := w.Header().Get("Content-Type")
	if w.Code >= 400 {
		var p map[string]any
		err := json.Unmarshal(w.Body.Bytes(), &p)
		whole := err == nil && contentType == problem.MediaType && w.Header().Get("Cache-Control") == "no-store" &&
			p["status"] == float64(w.Code) && p["success"] == false && p["requestId"] == w.Header().Get("X-Request-Id")
		for _, name := range []string{"type", "title", "detail", "code"} {
			text, _ := p[name].(string)
			whole = whole && text != ""
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "/readyz") && (whole || w.Code == http.StatusServiceUnavailable):
			return "" // its report has another status when something is missing
		case !whole:
			return fmt.Sprintf("not a whole problem (%s, %v)", contentType, err)
		}
	} else if !utf8.Valid(w.Body.Bytes()) {
		return "not UTF-8"
	} else if contentType == eventStream {
		return ""
	}
	if err := f.contracts[doorName].check(r, w.Code, contentType, w.Body.String()); err != nil {
		return fmt.Sprintf("not as documented (%v)", err)
	}
	return ""
}

// checkBody returns what of a request is not as documented.
func (c *contract) checkBody(route door.Route, body string) error {
	if body == "" {
		return nil // where it is optional
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	schema, err := c.compiler.Compile("doc.json#/paths/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(route.URL()) + "/" +
		strings.ToLower(route.Method) + "/requestBody/content/application~1json/schema")
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(withoutNull(value))
}

// withoutNull leaves out members that are null: null is as good as absent, and a
// required member is missed.
func withoutNull(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member == nil {
				delete(v, name)
				continue
			}
			v[name] = withoutNull(member)
		}
	case []any:
		for i := range v {
			v[i] = withoutNull(v[i])
		}
	}
	return v
}
