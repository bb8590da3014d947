// Package demo plays a story on a running system, through nothing but its public
// HTTP API: people register, are approved, receive their genesis coins and pay
// each other; then every Qirat is counted.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/protocol/genesis"
	"gxcoin.money/gx/protocol/qirat"
)

// Options of a demo.
type Options struct {
	Client   *client.Client // of nobody
	Username string         // of a member of staff who may approve people and register them on the ledger
	Password string
	People   int       // default 20
	Out      io.Writer // where the story is told; nil: nowhere
}

// Report is what came of a demo.
type Report struct {
	OK           bool         `json:"ok"`
	People       []Account    `json:"people"`
	Accepted     int          `json:"accepted"`  // commands
	Committed    int          `json:"committed"` // of them, on the ledger
	Projected    int          `json:"projected"` // of them, shown by reads
	Refused      int          `json:"refused"`   // requests that had to be
	AcceptTime   Latency      `json:"acceptTime"`
	ProjectTime  Latency      `json:"projectTime"`
	Fees         qirat.Amount `json:"fees"`
	SupplyBefore string       `json:"supplyBefore"` // Qirat, which need not be a possible amount
	SupplyAfter  string       `json:"supplyAfter"`
	Checks       []Check      `json:"checks"`
	Seconds      float64      `json:"seconds"`
}

// Account is a person of the story at its end.
type Account struct {
	Name    string       `json:"name"`
	Country string       `json:"country"`
	GXID    string       `json:"gxId"`
	Balance qirat.Amount `json:"balance"`
}

// Latency is how long requests took, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// Check is something that must be so.
type Check struct {
	Name string `json:"name"`
	Want string `json:"want"`
	Got  string `json:"got"`
	OK   bool   `json:"ok"`
}

// teller tells one run of the story.
type teller struct {
	Options
	printer
	staff      *client.Client
	customers  []*Customer
	payments   []*payment
	genesis    map[string]genesis.Phase // what each account was given
	statements map[string]statement
	report     Report
}

func (t *teller) check(name, want, got string) {
	t.report.Checks = append(t.report.Checks, Check{name, want, got, want == got})
}

func (t *teller) compare(name string, want, got int) {
	t.check(name, strconv.Itoa(want), strconv.Itoa(got))
}
func (t *teller) amounts(name string, want, got qirat.Amount) { t.check(name, gx(want), gx(got)) }

// Run plays the story. An error means that it could not go on; whether everything
// was as it must be is in the report.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.People == 0 {
		o.People = 20
	}
	if o.People < 4 {
		return Report{}, errors.New("the story needs 4 people or more")
	}
	t := &teller{Options: o, printer: printer{w: o.Out}, genesis: map[string]genesis.Phase{}, statements: map[string]statement{}}
	begin := time.Now()
	people := People(o.People)
	before, err := t.arrive(ctx, countries(people))
	if err != nil {
		return t.report, err
	}
	for _, part := range []func(context.Context) error{
		func(ctx context.Context) error { return t.joins(ctx, people) }, t.approval, t.ledger, t.pays, t.mistakes,
	} {
		if err := part(ctx); err != nil {
			return t.report, err
		}
	}
	if err := t.count(ctx, before, countries(people)); err != nil {
		return t.report, err
	}
	t.report.Seconds = time.Since(begin).Seconds()
	t.result()
	return t.report, t.printer.err
}

// arrive sees that the system is there, and looks where the money is.
func (t *teller) arrive(ctx context.Context, countries []string) (position, error) {
	t.printf("GX demo: %d people, real commands, a real ledger, and only the public API.\n", t.People)
	t.chapter("The system is there")
	var version string
	for _, name := range client.Services {
		h, err := t.Client.Health(ctx, client.At(name))
		if err != nil {
			return position{}, fmt.Errorf("the service %s does not answer: %w", name, err)
		}
		version = h.Version
	}
	t.printf("   Seven services answer: %s. Version: %s.\n", strings.Join(client.Services, ", "), version)
	var err error
	if t.staff, err = t.Client.LogInStaff(ctx, t.Username, t.Password); err != nil {
		return position{}, fmt.Errorf("log in as %s: %w", t.Username, err)
	}
	status, err := t.staff.GetSystemStatus(ctx)
	if err != nil {
		return position{}, err
	}
	if !status.Status.Bootstrapped || status.Status.IsPaused {
		return position{}, errors.New("the ledger is not open: gx up opens it, and it must not be paused")
	}
	p, err := look(ctx, t.Client, t.staff, countries)
	if err != nil {
		return p, err
	}
	t.printf("   %s exist, of which %s are in circulation. On the ledger: %s.\n", gx(p.max), gx(p.circulating), plural(int(p.users), "person", "people"))
	return p, nil
}

func (t *teller) joins(ctx context.Context, people []Person) (err error) {
	t.chapter("%d people from %s register and submit evidence of who they are", len(people), plural(len(countries(people)), "country", "countries"))
	list, err := t.Client.ListCountries(ctx)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, c := range list.Countries {
		names[c.CountryCode] = c.CountryName
	}
	if t.customers, err = register(ctx, t.Client, people); err != nil {
		return err
	}
	inhabitants := map[string]string{}
	for _, c := range t.customers {
		if inhabitants[c.Country] != "" {
			inhabitants[c.Country] += ", "
		}
		inhabitants[c.Country] += c.Name()
	}
	var rows [][]string
	for _, code := range countries(people) {
		rows = append(rows, []string{names[code], inhabitants[code]})
	}
	t.table([]string{"", ""}, rows)
	return nil
}

func (t *teller) approval(ctx context.Context) error {
	t.chapter("Staff compares the evidence and approves them: each gets a GX id")
	if err := approve(ctx, t.staff, t.customers); err != nil {
		return err
	}
	var rows [][]string
	for _, c := range t.customers {
		rows = append(rows, []string{c.Name(), c.Account})
	}
	t.table([]string{"", ""}, rows)
	return nil
}

func (t *teller) ledger(ctx context.Context) error {
	t.chapter("They are put on the ledger, which gives them their genesis coins")
	if err := open(ctx, t.staff, t.customers); err != nil {
		return err
	}
	blocks := map[string]bool{}
	var share genesis.Phase
	for _, c := range t.customers {
		g, err := c.Client.GetGenesis(ctx, c.Profile)
		if err != nil {
			return err
		}
		if g.Genesis.Phase < 1 || int(g.Genesis.Phase) > len(genesis.Phases) {
			return fmt.Errorf("%s got no genesis coins: %s", c.Name(), g.Genesis.Status)
		}
		share = genesis.Phases[g.Genesis.Phase-1]
		t.genesis[c.Account] = share
		t.check("genesis coins of "+c.Name(), share.User.String(), g.Genesis.Amount)
		blocks[c.Opened.Result.BlockNumber] = true
	}
	t.printf("   %s in %s: %s for each person and %s for the treasury of their country.\n",
		plural(len(t.customers), "account", "accounts"), plural(len(blocks), "block", "blocks"), gx(share.User), gx(share.Government))
	return nil
}

// shown is how many payments are told one by one.
const shown = 8

func (t *teller) pays(ctx context.Context) error {
	t.payments = plan(t.customers)
	t.chapter("They pay each other, at home and across borders: %d payments", len(t.payments))
	if err := pay(ctx, t.payments); err != nil {
		return err
	}
	var rows [][]string
	for _, p := range t.payments[:min(shown, len(t.payments))] {
		rows = append(rows, []string{p.from.Name(), p.from.Country + " -> " + p.to.Country, p.to.Name(), gx(p.amount), "fee " + gx(p.fee), p.remark})
	}
	t.table([]string{"", "", "", ">", ">", ""}, rows)
	if more := len(t.payments) - shown; more > 0 {
		t.printf("   ... and %d more\n", more)
	}
	return nil
}

// mistakes shows what becomes of requests that must not have an effect.
func (t *teller) mistakes(ctx context.Context) error {
	t.chapter("What goes wrong does no harm")
	from, to := t.customers[0], t.customers[1]
	var rows [][]string
	refused := func(what, code, field string, err error) error {
		p := (*client.Problem)(nil)
		if !errors.As(err, &p) {
			return fmt.Errorf("%s: this must be refused: %w", what, errors.Join(err, errors.New("it was not")))
		}
		got, want := p.Code, code
		if field != "" {
			want += " (" + field + ")"
			for _, f := range p.Errors {
				got += " (" + f.Field + ")"
			}
		}
		t.report.Refused++
		t.check(what, want, got)
		text := p.Detail
		if p.Facts["available"] != "" {
			var s sums
			text = fmt.Sprintf("there is %s, needed were %s", gx(s.parse(p.Facts["available"])), gx(s.parse(p.Facts["required"])))
		}
		rows = append(rows, []string{what, strconv.Itoa(p.Status) + " " + p.Code, text})
		return nil
	}

	_, err := from.Client.CreateTransfer(ctx, client.Payment{ToID: to.Account, Amount: (1_000_000 * qirat.PerGX).String()})
	if err := refused("a payment of 1,000,000 GX", "insufficient_funds", "", err); err != nil {
		return err
	}
	_, err = from.Client.CreateTransfer(ctx, client.Payment{ToID: mistype(to.Account), Amount: "1"})
	if err := refused("a GX id with a typing error", "to_id_invalid", "toID", err); err != nil {
		return err
	}

	// One key is one payment, however often it is sent.
	key := client.IdempotencyKey("demo-" + from.Profile)
	once := &payment{from: from, to: to, amount: 10 * qirat.PerGX, remark: "sent twice, paid once"}
	if err := once.make(ctx, key); err != nil {
		return err
	}
	t.payments = append(t.payments, once)
	var answer client.Answer
	again, err := from.Client.CreateTransfer(ctx, once.body(), key, client.Receive(&answer))
	if err != nil {
		return err
	}
	t.check("the same payment again: its command", once.end.CommandID, again.CommandID)
	t.check("the same payment again: marked as a repetition", "true", strconv.FormatBool(answer.Replayed()))
	rows = append(rows, []string{"the same payment with the same key", fmt.Sprintf("%d, Idempotency-Hit", answer.Status), "the first answer again, paid once"})

	other := once.body()
	other.Amount = (11 * qirat.PerGX).String()
	_, err = from.Client.CreateTransfer(ctx, other, key)
	if err := refused("another amount with the same key", "idempotency_key_reused", "amount", err); err != nil {
		return err
	}
	t.table([]string{"", "", ""}, rows)
	return nil
}

// mistype changes a digit of a GX id that its checksum protects.
func mistype(id string) string {
	const at = len("CC KKK LLLDD")
	return id[:at] + string('0'+(id[at]-'0'+1)%10) + id[at+1:]
}

// count compares the books with the story.
func (t *teller) count(ctx context.Context, before position, countries []string) error {
	t.chapter("Every Qirat is counted")
	ends := make([]client.CommandView, 0, len(t.customers)+len(t.payments))
	for _, c := range t.customers {
		ends = append(ends, c.Opened)
	}
	for _, p := range t.payments {
		ends = append(ends, p.end)
	}
	t.report.Accepted = len(ends)
	for _, v := range ends {
		if v.Status == client.CommandStatusCONFIRMED {
			t.report.Committed++
		}
		if v.Projected {
			t.report.Projected++
		}
	}
	// The last command began when all the others had ended.
	after, err := look(ctx, t.Client, t.staff, countries, client.After(ends[len(ends)-1].CommandID))
	if err != nil {
		return err
	}
	statements := make([]statement, len(t.customers))
	if err := each(ctx, len(t.customers), func(ctx context.Context, i int) (err error) {
		statements[i], err = read(ctx, t.customers[i])
		return err
	}); err != nil {
		return err
	}
	for i, c := range t.customers {
		t.statements[c.Account] = statements[i]
		t.report.People = append(t.report.People, Account{c.Name(), c.Country, c.Account, statements[i].balance})
	}
	first := len(t.report.Checks)
	if err := t.audit(before, after); err != nil {
		return err
	}
	t.compare("commands committed", t.report.Accepted, t.report.Committed)
	t.compare("commands projected", t.report.Accepted, t.report.Projected)
	var rows [][]string
	for _, c := range t.report.Checks[first:] {
		verdict := "ok"
		if !c.OK {
			verdict = "WRONG, expected " + c.Want
		}
		rows = append(rows, []string{c.Name, c.Got, verdict})
	}
	t.table([]string{"", ">", ""}, rows)
	return nil
}

// result ends the story with its figures.
func (t *teller) result() {
	r := &t.report
	var accept, project []time.Duration
	for _, p := range t.payments {
		accept, project = append(accept, p.accepted), append(project, p.projected)
	}
	var wrong []Check
	for _, c := range r.Checks {
		if !c.OK {
			wrong = append(wrong, c)
		}
	}
	r.OK = len(wrong) == 0
	r.AcceptTime, r.ProjectTime = latency(accept), latency(project)

	t.printf("\nResult, in %.1f s\n\n", r.Seconds)
	at := func(d []time.Duration, p float64) string { return milliseconds(Percentile(d, p)) }
	t.table([]string{"", ">commands", ">p50", ">p99", ""}, [][]string{
		{"accepted", strconv.Itoa(r.Accepted), at(accept, 0.50), at(accept, 0.99), "a payment is stored, its payer has an answer"},
		{"committed", strconv.Itoa(r.Committed), "", "", "it is on the ledger"},
		{"projected", strconv.Itoa(r.Projected), at(project, 0.50), at(project, 0.99), "both sides see it, counted from the request"},
		{"refused", strconv.Itoa(r.Refused), "", "", "as they must be"},
	})
	t.printf("\n   supply before  %s Qirat\n   supply after   %s Qirat\n", group(r.SupplyBefore), group(r.SupplyAfter))
	if r.OK {
		t.printf("\nAll %d checks hold: no Qirat is missing, and none is there twice.\n", len(r.Checks))
		return
	}
	t.printf("\n%d of %d checks do NOT hold:\n\n", len(wrong), len(r.Checks))
	for _, c := range wrong {
		t.printf("   %s: expected %s, found %s\n", c.Name, c.Want, c.Got)
	}
	t.printf("\nSums over the whole system differ when others use it at the same time.\n")
}

func latency(d []time.Duration) Latency {
	ms := func(p float64) float64 { return float64(Percentile(d, p).Microseconds()) / 1000 }
	return Latency{ms(0.50), ms(0.99)}
}

// Percentile returns the smallest of d that is not below the share p of them, 0 of none.
func Percentile(d []time.Duration, p float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(d))
	i := int(float64(len(s))*p+0.999999) - 1
	return s[min(max(i, 0), len(s)-1)]
}

func plural(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return group(strconv.Itoa(n)) + " " + many
}
