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

	User     userCmd     `cmd:"" group:"people" help:"Register and identify oneself; as staff, look after people."`
	Wallet   walletCmd   `cmd:"" group:"people" help:"Look at balances and statements; as staff, freeze wallets."`
	Transfer transferCmd `cmd:"" group:"people" help:"Pay somebody."`
	Command  commandCmd  `cmd:"" group:"people" help:"See what became of a command."`
	Approval approvalCmd `cmd:"" group:"people" help:"As staff, be the second person."`
	Staff    staffCmd    `cmd:"" group:"people" help:"As staff, look after staff and one's own second factor."`

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
	w := tabwriter.NewWriter(p.stdout, 0, 0, 3, ' ', 0)
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

// row prints cells of a table.
func row(w io.Writer, cells ...any) {
	for i, c := range cells {
		text := cell(c)
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
		facts(w, "about", r.AggregateID, "command", r.CommandID, "status", string(r.Status), "block", r.Command.Result.BlockNumber)
	}); err != nil {
		return err
	}
	return refusal(r.Command)
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

// send sends a command and shows what became of it.
func (s waitSettings) send(ctx context.Context, p *program, o outputSettings, c *client.Client, at string, call func(...client.Option) (client.Receipt, error)) error {
	var answer client.Answer
	r, err := call(append(s.options(), client.Receive(&answer))...)
	if err != nil {
		return err
	}
	return s.end(ctx, p, o, c, at, commanded{r, answer.Replayed()})
}
