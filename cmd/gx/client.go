package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"
	"time"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/platform/datadir"
	"gxcoin.money/gx/protocol/qirat"
)

// clientCommands are what people and staff do with a running system, over its
// public HTTP API and nothing else.
type clientCommands struct {
	Login  loginCmd  `cmd:"" group:"people" help:"Log in, as a person or as a member of staff."`
	Logout logoutCmd `cmd:"" group:"people" help:"End a login."`
	Whoami whoamiCmd `cmd:"" group:"people" help:"Show who is logged in, and where."`

	User         userCmd         `cmd:"" group:"people" help:"Register and identify oneself; as staff, look after people."`
	Wallet       walletCmd       `cmd:"" group:"people" help:"Look at balances and statements; as staff, freeze wallets."`
	Transfer     transferCmd     `cmd:"" group:"people" help:"Pay somebody."`
	Command      commandCmd      `cmd:"" group:"people" help:"See what became of a command."`
	Recovery     recoveryCmd     `cmd:"" group:"people" help:"Say who can recover one's account, and recover that of others."`
	Relationship relationshipCmd `cmd:"" group:"people" help:"Say what people are to each other, and see the trust that comes of it."`
	Org          orgCmd          `cmd:"" group:"people" help:"Found organizations, and pay for them together."`
	Loan         loanCmd         `cmd:"" group:"people" help:"Ask for an interest-free loan, and pay it back."`
	Proposal     proposalCmd     `cmd:"" group:"people" help:"Change a parameter of the system by a vote."`
	Tax          taxCmd          `cmd:"" group:"people" help:"Look at fees and the velocity tax."`
	Approval     approvalCmd     `cmd:"" group:"people" help:"As staff, be the second person."`
	Staff        staffCmd        `cmd:"" group:"people" help:"As staff, look after staff and one's own second factor."`
	System       systemCmd       `cmd:"" group:"people" help:"As staff, look after the system and its money."`
	Session      sessionCmd      `cmd:"" group:"people" help:"See where one is logged in, and end it there."`
	API          apiCmd          `cmd:"" name:"api" group:"people" help:"Send any request of the HTTP API, or list them all."`

	Completion completionCmd `cmd:"" group:"about" help:"Print what lets a shell complete commands."`
	Complete   completeCmd   `cmd:"" hidden:""`
}

// place is where a system is.
type place struct {
	DataDir string `json:"dataDir,omitempty"`
	URL     string `json:"url,omitempty"`
}

func (p place) String() string { return p.URL + p.DataDir }

// client returns a client of nobody.
func (p place) client() (*client.Client, error) {
	o := client.Options{URL: p.URL, UserAgent: "gx/" + thisBuild().Version}
	if p.URL == "" {
		running, err := datadir.Find(p.DataDir)
		if err != nil {
			return nil, err
		}
		o.Services = running.Services
	}
	return client.New(o), nil
}

// remoteSettings say which system is asked, by whom, and how the answer is shown.
type remoteSettings struct {
	URL            string `placeholder:"URL" help:"Host of the system that leads to every service. By default the system of the last login."`
	DataDir        string `placeholder:"DIR" help:"Data directory of a system on this machine, instead of a URL. Without either and without a login it is ${data_dir}."`
	As             string `placeholder:"NAME" help:"Which login to use: an e-mail address or a name of staff. By default the last one."`
	outputSettings `embed:""`
}

// place returns where the system is, or false when the settings leave it to the login.
func (s remoteSettings) place() (place, bool) {
	if s.URL != "" {
		return place{URL: s.URL}, true
	}
	if s.DataDir == "" {
		return place{}, false
	}
	dir, err := filepath.Abs(s.DataDir)
	if err != nil {
		dir = s.DataDir
	}
	return place{DataDir: dir}, true
}

// where returns the place of the settings, of the last login, or else of "gx up".
func (s remoteSettings) where() (place, error) {
	if at, ok := s.place(); ok {
		return at, nil
	}
	kept, err := openLogins()
	if err != nil {
		return place{}, err
	}
	list, err := kept.list()
	if err == nil && len(list) > 0 {
		return list[0].Place, nil
	}
	return place{DataDir: defaultDataDir()}, err
}

// nobody returns a client without a session.
func (s remoteSettings) nobody() (*client.Client, error) {
	at, err := s.where()
	if err != nil {
		return nil, err
	}
	return at.client()
}

// person returns a client of the person who is logged in.
func (s remoteSettings) person() (*client.Client, error) { return s.resume(false) }

// staff returns a client of the member of staff who is logged in.
func (s remoteSettings) staff() (*client.Client, error) { return s.resume(true) }

func (s remoteSettings) resume(staff bool) (*client.Client, error) {
	kept, err := openLogins()
	if err != nil {
		return nil, err
	}
	at, given := s.place()
	l, err := kept.find(func(l login) bool {
		return l.Staff == staff && (!given || l.Place == at) && (s.As == "" || l.named(s.As))
	})
	if err != nil {
		return nil, err
	}
	if l == nil {
		hint, who := "gx login EMAIL", "no person"
		if staff {
			hint, who = "gx login --staff NAME", "no member of staff"
		}
		if s.As != "" {
			who += " named " + s.As
		}
		return nil, fmt.Errorf("%s is logged in: run %q first", who, hint)
	}
	c, err := l.Place.client()
	if err != nil {
		return nil, err
	}
	return c.Resume(staff, kept.keeper(*l)), nil
}

// show prints an answer: as it is for a program, as text says for people.
func (s outputSettings) show(p *program, answer any, text func(w io.Writer)) error {
	if s.Output == "json" {
		return s.json(p, answer)
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	text(w)
	return w.Flush()
}

// facts prints pairs of name and value, one a line, without those that are empty.
func facts(w io.Writer, pairs ...any) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if text := cell(pairs[i+1]); text != "" {
			fmt.Fprintf(w, "%s\t%s\n", pairs[i], text)
		}
	}
}

// row prints cells of a table, times to the minute: what a table holds has to fit
// a terminal, and the rest is told by the command that shows one thing. An id that
// is long comes last.
func row(w io.Writer, cells ...any) {
	for i, c := range cells {
		text := cell(c)
		if t, ok := c.(time.Time); ok && !t.IsZero() {
			text = t.Local().Format("2006-01-02 15:04")
		}
		if text == "" {
			text = "-"
		}
		if i > 0 {
			text = "\t" + text
		}
		_, _ = io.WriteString(w, text)
	}
	_, _ = io.WriteString(w, "\n")
}

func cell(v any) string {
	switch v := v.(type) {
	case time.Time:
		if v.IsZero() {
			return ""
		}
		return v.Local().Format("2006-01-02 15:04:05")
	case json.RawMessage:
		return string(v)
	}
	return fmt.Sprint(v)
}

// more ends a list that has another page.
func more(w io.Writer, flag, cursor string) {
	if cursor != "" {
		fmt.Fprintf(w, "\nThere is more: %s=%s\n", flag, cursor)
	}
}

// gxOf writes a number of Qirat as the API sends it in GX, in the form that amounts are read in.
func gxOf(text string) string {
	a, err := qirat.Parse(text)
	if err != nil {
		return text
	}
	return a.GX() + " GX"
}

// waitSettings say how a command is sent and whether its end is waited for.
type waitSettings struct {
	Key    string `placeholder:"KEY" help:"Idempotency-Key: sent again with the same key, the command has no second effect. By default a new one."`
	NoWait bool   `help:"Don't wait until the command has reached its end."`
}

// prefer is how many seconds a service is asked to wait at once.
const prefer = 5

func (s waitSettings) options() []client.Option {
	var o []client.Option
	if s.Key != "" {
		o = append(o, client.IdempotencyKey(s.Key))
	}
	if !s.NoWait {
		o = append(o, client.Wait(prefer))
	}
	return o
}

// commanded is what became of a command.
type commanded struct {
	client.Receipt
	Replayed bool `json:"replayed,omitempty"`
}

// end waits for the end of a command and shows it; that the ledger refused it is
// an error. At is the service that is asked, for whoever may see the command there.
func (s waitSettings) end(ctx context.Context, p *program, o outputSettings, c *client.Client, at string, r commanded) error {
	if r.CommandID != "" && !s.NoWait && !finished(r.Command) {
		v, err := c.Await(ctx, r.CommandID, client.At(at))
		if err != nil {
			return fmt.Errorf("command %s is under way, see gx command wait: %w", r.CommandID, err)
		}
		r.Command, r.Status = v, v.Status
	}
	if err := o.show(p, r, func(w io.Writer) {
		fmt.Fprintln(w, r.Message)
		if r.Replayed {
			fmt.Fprintln(w, "It was accepted before under this key; nothing was done twice.")
		}
		if r.ApprovalID != "" && r.CommandID == "" {
			fmt.Fprintf(w, "A second person decides: gx approval show %s\n", r.ApprovalID)
		}
		if r.Invitation != "" {
			fmt.Fprintf(w, "Hand them this, it is shown only now; they run \"gx staff accept\":\n%s\n", r.Invitation)
		}
		facts(w, "about", r.AggregateID, "command", r.CommandID, "status", string(r.Status), "block", r.Command.Result.BlockNumber, "result", resultOf(r.Command))
	}); err != nil {
		return err
	}
	return refusal(r.Command)
}

// resultOf returns what a command has made, as JSON.
func resultOf(v client.CommandView) json.RawMessage {
	if v.Result.Value == nil {
		return nil
	}
	text, _ := json.Marshal(v.Result.Value) // it was JSON
	return text
}

func finished(v client.CommandView) bool {
	return v.Projected || v.Status == client.CommandStatusFAILED
}

// refusal returns why a command failed, nil when it did not.
func refusal(v client.CommandView) error {
	if v.Status != client.CommandStatusFAILED {
		return nil
	}
	return fmt.Errorf("the ledger refused it: %s (%s)", v.Error, v.ErrorCode)
}

// orderSettings are those of a command that changes something.
type orderSettings struct {
	waitSettings   `embed:""`
	remoteSettings `embed:""`
}

// order sends a command of the person or member of staff who is logged in, and
// shows what became of it.
func (s orderSettings) order(ctx context.Context, p *program, staff bool, call func(*client.Client, ...client.Option) (client.Receipt, error)) error {
	gx, err := s.resume(staff)
	if err != nil {
		return err
	}
	var answer client.Answer
	r, err := call(gx, append(s.options(), client.Receive(&answer))...)
	if err != nil {
		return err
	}
	return s.end(ctx, p, s.outputSettings, gx, doorOf(staff), commanded{r, answer.Replayed()})
}

// orderAbout is an order about one thing and nothing more.
type orderAbout struct {
	ID            string `arg:"" help:"Its id."`
	orderSettings `embed:""`
}

func (s orderAbout) about(ctx context.Context, p *program, staff bool, call func(*client.Client, context.Context, string, ...client.Option) (client.Receipt, error)) error {
	return s.order(ctx, p, staff, func(gx *client.Client, o ...client.Option) (client.Receipt, error) { return call(gx, ctx, s.ID, o...) })
}

// pageSettings say which part of a list is shown.
type pageSettings struct {
	Limit  int64  `default:"20" help:"How many at most, 1 to 100; ${default} by default."`
	Cursor string `placeholder:"CURSOR" help:"Where the page before ended."`
}

// viewSettings are those of a command that only looks.
type viewSettings struct {
	Staff          bool `help:"Look as a member of staff."`
	remoteSettings `embed:""`
}

// view shows what a read answers.
func view[T any](p *program, s viewSettings, read func(*client.Client) (T, error), text func(io.Writer, T)) error {
	gx, err := s.resume(s.Staff)
	if err != nil {
		return err
	}
	return shown(p, s.outputSettings, gx, read, text)
}

// public shows what a read answers to anybody.
func public[T any](p *program, s remoteSettings, read func(*client.Client) (T, error), text func(io.Writer, T)) error {
	gx, err := s.nobody()
	if err != nil {
		return err
	}
	return shown(p, s.outputSettings, gx, read, text)
}

func shown[T any](p *program, o outputSettings, gx *client.Client, read func(*client.Client) (T, error), text func(io.Writer, T)) error {
	v, err := read(gx)
	if err != nil {
		return err
	}
	return o.show(p, v, func(w io.Writer) { text(w, v) })
}
