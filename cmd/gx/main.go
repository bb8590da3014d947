// Command gx is the whole of GX in one program: "gx up" runs everything on one
// machine; in production each role is a process of its own.
//
// A subcommand is a file with a struct, its settings, whose method Run does the
// work, and a line in cli.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"gxcoin.money/gx/internal/fabric/builder"
	"gxcoin.money/gx/internal/platform/config"
)

type cli struct {
	Up     upCmd     `cmd:"" group:"machine" help:"Run everything on this machine, a private PostgreSQL included."`
	Status statusCmd `cmd:"" group:"machine" help:"Show what is running on this machine and whether it is ready."`
	Doctor doctorCmd `cmd:"" group:"machine" help:"Tell what this machine has of what GX needs, and install the rest."`
	Demo   demoCmd   `cmd:"" group:"machine" help:"Play the demo on a running system: people register, are approved and pay each other."`
	Bench  benchCmd  `cmd:"" group:"machine" help:"Measure a running system beside a bare transaction on the same PostgreSQL."`

	Verify  verifyCmd  `cmd:"" group:"machine" help:"Prove that the read model is what the ledger says, key by key."`
	Rebuild rebuildCmd `cmd:"" group:"machine" help:"Make the read model anew from the ledger, beside the live one, and put it in its place."`
	Dlq     dlqCmd     `cmd:"" group:"machine" help:"Decide about commands and events that could not be applied."`

	Audit auditCmd `cmd:"" group:"machine" help:"Look after the audit trail."`
	Key   keyCmd   `cmd:"" group:"machine" help:"Make and replace keys."`

	clientCommands `embed:""`

	Fabric fabricCmd `cmd:"" group:"machine" help:"Run a Hyperledger Fabric network on this machine."`

	Serve     serveCmd     `cmd:"" group:"role" help:"Run one of the seven services."`
	Submit    submitCmd    `cmd:"" group:"role" help:"Run the submitter: it takes accepted commands to the ledger."`
	Project   projectCmd   `cmd:"" group:"role" help:"Run the projector: it applies the ledger to the read model."`
	Chaincode chaincodeCmd `cmd:"" group:"role" help:"Serve the contracts to the Fabric peers of an organization."`
	Migrate   migrateCmd   `cmd:"" group:"role" help:"Bring the schema of a database to this version."`

	Contract contractCmd `cmd:"" group:"about" help:"Look at the contracts of the ledger."`
	Openapi  openapiCmd  `cmd:"" group:"about" help:"Print the OpenAPI document of the HTTP API."`
	Config   configCmd   `cmd:"" group:"about" help:"Look at the configuration."`
	Version  versionCmd  `cmd:"" group:"about" help:"Show what this binary was built from."`
}

const description = `The backend of the GX currency: people register, are verified, receive coins on a ledger and pay each other.
Begin with "gx up" and, in a second terminal, "gx demo".

Every setting is a flag, or the GX_ variable that its help names; a flag wins. A
secret may also be in a file that the variable with _FILE names.`

// program is what every command gets besides its settings.
type program struct {
	name    string // as it was called
	stdin   *input
	stdout  io.Writer
	stderr  io.Writer
	environ []string
	env     *config.Environment
	parsed  *kong.Context
}

// collect is how much more than what is in use becomes garbage before it is
// collected, in per cent. A batch makes a lot of it; memory is not what GX lacks.
const collect = 200

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collect)
	}
	if status, ok := builder.Main(os.Args, os.Stderr); ok { // called by a Fabric peer
		os.Exit(status)
	}
	p := &program{name: os.Args[0], stdin: newInput(os.Stdin), stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ()}
	ctx, stop := interruptible(context.Background(), p.stderr)
	status := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// Exit statuses.
const (
	statusFailed = 1
	statusUsage  = 2
)

// run parses the arguments, runs the command and returns the exit status.
func (p *program) run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	args = joinIDs(args)
	parser, err := p.parser(new(cli))
	if err == nil {
		p.parsed, err = parser.Parse(args)
	}
	if parse := (*kong.ParseError)(nil); errors.As(err, &parse) {
		hint := p.name + " --help"
		if parse.Context != nil && parse.Context.Selected() != nil {
			hint = p.name + " " + parse.Context.Selected().Path() + " --help"
		}
		fmt.Fprintf(p.stderr, "gx: %v\n", err)
		if id := brokenID(args); id != "" {
			fmt.Fprintf(p.stderr, "A GX id has five groups, CC KKK LLLDDD TAAAA NNNN; this is none: %s\n", id)
		}
		fmt.Fprintf(p.stderr, "Run %q to see what there is.\n", hint)
		return statusUsage
	}
	if err == nil {
		p.parsed.BindTo(ctx, (*context.Context)(nil))
		err = p.parsed.Run(p)
	}
	if err != nil {
		explain(p.stderr, err)
		return statusFailed
	}
	return 0
}

func (p *program) parser(target *cli) (*kong.Kong, error) {
	p.env = config.FromEnviron(p.environ)
	return kong.New(target,
		kong.Name("gx"),
		kong.Description(description),
		kong.Writers(p.stdout, p.stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 100, NoExpandSubcommands: true}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "machine", Title: "On one machine:"},
			{Key: "people", Title: "For people and staff, with a running system:"},
			{Key: "role", Title: "One role a process, as in production:"},
			{Key: "about", Title: "About:"},
		}),
		kong.Vars{"data_dir": defaultDataDir(), "services": serviceNames()},
		p.env.Options())
}

// interruptible returns a context that ends with the first SIGINT or SIGTERM;
// the second ends the process, and with it its children.
func interruptible(ctx context.Context, stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s, ok := <-signals
		if !ok {
			return
		}
		cancel(fmt.Errorf("%w by %s", errStopped, s))
		if s, ok = <-signals; ok {
			fmt.Fprintln(stderr, "gx: stopped at once; the next start recovers.")
			os.Exit(128 + int(s.(syscall.Signal)))
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}

// errStopped is the cause of a context that a signal has ended.
var errStopped = errors.New("stopped")
