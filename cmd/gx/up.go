package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/bootstrap"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/config"
	"gxcoin.money/gx/internal/platform/datadir"
	"gxcoin.money/gx/internal/platform/log"
	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/pgembed"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/sealed"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/service"
)

// owner is the name of the first member of staff.
const owner = "owner"

// ephemeral is how the names of temporary data directories begin.
const ephemeral = "gx-up-"

// openTimeout bounds the opening of the ledger.
const openTimeout = time.Minute

type upCmd struct {
	DataDir          string        `placeholder:"DIR" default:"${data_dir}" help:"Where everything is kept: database, secrets, logs. By default ${default}."`
	Ephemeral        bool          `help:"Keep everything in a temporary directory and remove it at the end. --data-dir is left alone."`
	Processes        bool          `help:"Run each role as a process of its own, as in production, restarted when it ends."`
	Host             string        `placeholder:"HOST" default:"127.0.0.1" help:"Address that the services listen on, 0.0.0.0 for all; by default ${default}."`
	PortBase         portBase      `placeholder:"PORT" default:"3000" help:"The services take the seven ports above this one, ${default} by default; operations the one 90 above it, on 127.0.0.1. 0 takes any free ports."`
	DatabaseURL      config.Secret `placeholder:"URL" help:"PostgreSQL to use instead of a private one: postgres://USER:PASSWORD@HOST/DATABASE, whose owner the user must be. Best given in a file."`
	PostgresBin      string        `placeholder:"DIR" help:"Directory with the programs postgres and initdb. By default the newest that is found."`
	Install          bool          `negatable:"" default:"true" help:"Install PostgreSQL with the system's packages when it is missing and we may. On by default."`
	ReadyFile        string        `placeholder:"FILE" help:"Also write where everything is, in JSON, to this file as soon as GX is ready."`
	LogFile          string        `placeholder:"FILE" help:"Where the logs go; - is standard error. By default log/gx.log in the data directory."`
	StaffMFA         bool          `negatable:"" help:"Demand a second factor of staff from ADMIN on, before they can do anything else. Off by default."`
	logSettings      `embed:""`
	ledgerSettings   `embed:""`
	fabricSettings   `embed:""`
	guardSettings    `embed:""`
	scheduleSettings `embed:""`
	frontSettings    `embed:""`
}

// up is a run of "gx up".
type up struct {
	upCmd
	*process
	program *program
	console *console
	began   time.Time
	dir     *datadir.Dir
	running datadir.Running

	secrets  struct{ token, pepper, fields string } // paths
	pool     *pgxpool.Pool                          // role gx_service
	outbox   *outbox.Outbox
	created  bool // the first staff account, now
	children []*child
}

// Run brings everything up, says where it is and waits.
func (c upCmd) Run(ctx context.Context, p *program) (err error) {
	c.staffMFA = c.StaffMFA
	u := &up{upCmd: c, program: p, console: newConsole(p.stdout), began: time.Now()}
	if err := u.open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, u.close()) }()
	closeLog, err := u.openLog()
	if err != nil {
		return err
	}
	defer closeLog()
	u.running = datadir.Running{
		PID: os.Getpid(), Version: u.build.Version, StartedAt: u.began.UTC().Truncate(time.Millisecond), DataDir: u.dir.Path, Log: u.LogFile,
		Services: map[string]string{}, StaffUser: owner, StaffPassword: u.dir.Sub("secrets", "owner-password"),
	}
	u.console.printf("GX %s, data in %s\n\n", u.build.Version, u.dir.Path)
	if err := u.startOrFail(ctx); err != nil {
		u.console.finish("")
		if ctx.Err() != nil {
			u.console.printf("Stopped before it was ready.\n")
			return u.stop(0)
		}
		_ = u.stop(0) // the first error says it all, and this one is in the log
		return err
	}
	u.started()
	if err := u.dir.Announce(u.running, u.readyFiles()...); err != nil {
		return errors.Join(err, u.stop(0))
	}
	u.summary(time.Since(u.began))

	u.wait(ctx)
	if u.group.Err() != nil {
		u.console.printf("\nStopping, because a part has failed.\n")
	} else {
		u.console.printf("\nStopping: requests in flight are finished. Ctrl-C again stops at once.\n")
	}
	stopping := time.Now()
	err = u.stop(0)
	u.console.printf("GX has stopped (%.1f s).\n", time.Since(stopping).Seconds())
	return err
}

// openLog opens the log and, with it, the process. Errors are also shown.
func (u *up) openLog() (closer func(), err error) {
	w := u.program.stderr
	closer = func() {}
	if u.LogFile == "" {
		u.LogFile = u.dir.Sub("log", "gx.log")
	}
	if u.LogFile != "-" {
		f, err := log.OpenFile(u.LogFile, maxLog)
		if err != nil {
			return nil, err
		}
		w, closer = f, func() { _ = f.Close() }
	}
	logger, err := u.logSettings.open(w)
	if err != nil {
		return closer, err
	}
	if u.LogFile != "-" {
		logger = log.Tee(logger, log.New(u.program.stderr, log.Options{Level: slog.LevelError, Format: log.Text}))
	}
	u.process, err = newProcess(u.program, "gx up", logger)
	return closer, err
}

// startOrFail starts everything, unless a part fails meanwhile.
func (u *up) startOrFail(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-u.group.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	err := u.start(ctx)
	if failure := u.group.Err(); failure != nil {
		return failure
	}
	return err
}

func (u *up) readyFiles() []string {
	if u.ReadyFile == "" {
		return nil
	}
	return []string{u.ReadyFile}
}

// open locks the data directory.
func (u *up) open() error {
	path := u.DataDir
	if u.Ephemeral {
		_ = datadir.RemoveAbandoned(filepath.Join(os.TempDir(), ephemeral+"*")) // of those that were killed; the next one tries again
		var err error
		if path, err = os.MkdirTemp("", ephemeral); err != nil {
			return fmt.Errorf("make a temporary directory: %w", err)
		}
	}
	d, err := datadir.Open(path, thisBuild().Version)
	if err != nil {
		return err
	}
	u.dir = d
	return d.Withdraw(u.readyFiles()...) // of one that was killed
}

func (u *up) close() error {
	errs := []error{u.dir.Withdraw(append(u.readyFiles(), u.dir.Sub("secrets", databaseSecret))...)}
	if u.Ephemeral {
		errs = append(errs, os.RemoveAll(u.dir.Path))
	}
	return errors.Join(append(errs, u.dir.Close())...)
}

// start starts everything, in the order of the stages.
func (u *up) start(ctx context.Context) error {
	listeners, err := u.listen()
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{u.postgres, u.migrate, u.prepare, u.connect} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if u.Processes {
		return u.startProcesses(ctx, listeners)
	}
	f, err := u.front(ctx, 24)
	if err != nil {
		return err
	}
	u.pool, u.outbox = f.pool, f.outbox
	if err := errors.Join(u.submitter(ctx, u.scheduleSettings, f.outbox), u.projector(ctx, u.guardSettings)); err != nil {
		return err
	}
	if err := u.openLedger(ctx); err != nil {
		return err
	}
	u.console.step("services")
	k, err := u.keys()
	if err != nil {
		return err
	}
	if err := u.doors(ctx, f, u.frontSettings, k, listeners); err != nil {
		return err
	}
	u.console.finish(fmt.Sprintf("%d are listening", len(listeners)))
	return nil
}

// listen opens every port before anything is started, so that one that is
// taken costs nobody's time.
func (u *up) listen() (map[string]net.Listener, error) {
	if u.PortBase == 0 && u.Processes {
		u.PortBase = freeBase()
	}
	at := func(host, name string, offset int) (net.Listener, error) {
		port := 0
		if u.PortBase != 0 {
			port = int(u.PortBase) + offset
		}
		return listen(net.JoinHostPort(host, strconv.Itoa(port)), name, "--port-base")
	}
	l, err := at(loopback, "operations", opsOffset)
	if err != nil {
		return nil, err
	}
	u.listenOps(l)
	u.running.Ops = "http://" + l.Addr().String()
	listeners := make(map[string]net.Listener, len(service.Doors))
	for i, d := range service.Doors {
		l, err := at(u.Host, d.Name, i+1)
		if err != nil {
			return nil, err
		}
		listeners[d.Name] = l
		u.running.Services[d.Name] = serviceURL(l.Addr().(*net.TCPAddr))
	}
	return listeners, nil
}

// freeBase returns a base whose ports are free, below those that the kernel gives
// to connections: a child takes its port only some time after we let go of it. 0
// when there is none.
func freeBase() portBase {
	const first, span, bases = 17_000, 100, 150
	free := func(port int) bool {
		l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
		if err == nil {
			_ = l.Close()
		}
		return err == nil
	}
search:
	for n := range bases {
		base := first + (os.Getpid()+n)%bases*span // others who search begin elsewhere
		for place := range span - opsOffset {
			if !free(base+place) || !free(base+opsOffset+place) {
				continue search
			}
		}
		return portBase(base)
	}
	return 0
}

// serviceURL is how this machine reaches an address.
func serviceURL(a *net.TCPAddr) string {
	host := a.IP.String()
	if a.IP.IsUnspecified() {
		host = loopback
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(a.Port))
}

// postgres starts the private server, unless another is to be used.
func (u *up) postgres(ctx context.Context) error {
	u.console.step("PostgreSQL")
	if u.DatabaseURL != "" {
		u.dsn = u.DatabaseURL.Reveal()
		u.console.finish("as --database-url says")
		return nil
	}
	if u.PostgresBin != "" {
		if err := os.Setenv(config.Variable("postgres-bin"), u.PostgresBin); err != nil {
			return err
		}
	}
	pg, err := pgembed.Start(ctx, pgembed.Options{
		Dir: u.dir.Sub("postgres"), Ephemeral: u.Ephemeral, Install: u.Install,
		Log: u.log.With("component", "postgres"), Progress: u.console.progress,
	})
	if err != nil {
		return err
	}
	u.dsn, u.running.Database = pg.DSN(), pg.DSN()
	u.group.Go(stagePostgres, "PostgreSQL", func(ctx context.Context) error {
		select {
		case <-pg.Done():
			return errors.Join(fmt.Errorf("the database server has ended; its log is in %s", u.dir.Sub("postgres")), pg.Stop(context.WithoutCancel(ctx)))
		case <-ctx.Done():
			return pg.Stop(context.WithoutCancel(ctx))
		}
	})
	u.console.finish("is running, pid " + strconv.Itoa(pg.PID()))
	return nil
}

// migrate brings the schema to our version, and refuses one that is ahead.
func (u *up) migrate(ctx context.Context) error {
	u.console.step("schema")
	u.console.progress("migrating the database")
	pool, err := postgres.Open(ctx, u.dsn, postgres.Options{MaxConns: 1})
	if err != nil {
		return err
	}
	defer pool.Close()
	have, err1 := postgres.Version(ctx, pool)
	known, err2 := postgres.Latest()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if have > known {
		return fmt.Errorf("the database in %s was migrated by a newer GX (schema %d; this one knows %d): use that one", u.dir.Path, have, known)
	}
	applied, err := postgres.Migrate(ctx, u.dsn)
	if err != nil {
		return err
	}
	u.console.finish(fmt.Sprintf("version %d, %s applied", known, count(int64(applied), "migration")))
	return nil
}

// prepare makes what is made once: secrets, the first account.
func (u *up) prepare(ctx context.Context) (err error) {
	u.console.step("secrets")
	if u.secrets.token, err = u.dir.Secret("token-key.pem", token.GenerateKey); err != nil {
		return err
	}
	if u.secrets.pepper, err = u.dir.Secret("pepper", func() ([]byte, error) {
		b := make([]byte, 32)
		_, err := rand.Read(b)
		return []byte(hex.EncodeToString(b)), err
	}); err != nil {
		return err
	}
	if u.secrets.fields, err = u.dir.Secret("field-keys", func() ([]byte, error) { return []byte(sealed.NewKey() + "\n"), nil }); err != nil {
		return err
	}
	pool, err := postgres.Open(ctx, u.dsn, postgres.Options{Role: "gx_service", AppName: "gx up", MaxConns: 2})
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := bootstrap.Countries(ctx, pool); err != nil {
		return err
	}
	u.created, err = bootstrap.Staff(ctx, pool, password.New(password.Options{}), owner, func(secret string) error {
		return u.dir.Keep(filepath.Base(u.running.StaffPassword), []byte(secret+"\n"))
	})
	if err != nil {
		return err
	}
	if u.created {
		u.console.finish("made, with the first staff account")
	} else {
		u.console.finish("kept")
	}
	return nil
}

func (u *up) keys() (keys, error) {
	key, err1 := os.ReadFile(u.secrets.token)
	pepper, err2 := os.ReadFile(u.secrets.pepper)
	fields, err3 := os.ReadFile(u.secrets.fields)
	return keys{config.Secret(key), config.Secret(pepper), config.Secret(fields)}, errors.Join(err1, err2, err3)
}

// openLedger opens the ledger through the ring, as any other command goes.
func (u *up) openLedger(ctx context.Context) error {
	u.console.step("ledger")
	u.console.progress("opening it: pools, parameters, countries")
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	opened, err := bootstrap.Ledger(ctx, u.pool, u.outbox)
	if err != nil {
		return fmt.Errorf("%w; the logs are in %s", err, filepath.Dir(u.LogFile))
	}
	state := "is open"
	if opened {
		state = "opened"
	}
	state, err = u.ledgerSummary(ctx, state)
	u.console.finish(state)
	return err
}
