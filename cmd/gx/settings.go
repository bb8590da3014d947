package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"gxcoin.money/gx/internal/platform/config"
	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/log"
	"gxcoin.money/gx/internal/service"
)

// maxLog is the size at which a log file is set aside.
const maxLog = 64 << 20

type logSettings struct {
	LogLevel  string `enum:"debug,info,warn,error" default:"info" placeholder:"LEVEL" help:"Least important level that is logged: debug, info, warn or error."`
	LogFormat string `enum:"auto,json,text" default:"auto" placeholder:"FORMAT" help:"Form of the logs: json, text, or auto, which is text on a terminal."`
}

// open returns a logger that writes to w.
func (s logSettings) open(w io.Writer) (*slog.Logger, error) {
	level, err := log.ParseLevel(s.LogLevel)
	if err != nil {
		return nil, err
	}
	format := log.Format(s.LogFormat)
	if s.LogFormat == "auto" {
		if format = log.JSON; isTerminal(w) {
			format = log.Text
		}
	}
	return log.New(w, log.Options{Level: level, Format: format, Attrs: requestAttrs}), nil
}

// requestAttrs names the request in whose course something is logged.
func requestAttrs(ctx context.Context) []slog.Attr {
	x := httpkit.From(ctx)
	if x.RequestID == "" {
		return nil
	}
	attrs := []slog.Attr{slog.String("requestId", x.RequestID), slog.String("traceId", x.Trace.ID())}
	if x.CommandID != "" {
		attrs = append(attrs, slog.String("commandId", x.CommandID))
	}
	return attrs
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

type databaseSettings struct {
	DatabaseURL         config.Secret `placeholder:"URL" help:"PostgreSQL: postgres://USER:PASSWORD@HOST/DATABASE. Best given in a file."`
	DatabaseConnections int32         `placeholder:"N" default:"0" help:"Most connections of a pool at once; 0 leaves it to the role."`
}

// Validate says what is missing.
func (s databaseSettings) Validate() error {
	if s.DatabaseURL == "" {
		return errors.New("--database-url is needed (or GX_DATABASE_URL, or GX_DATABASE_URL_FILE)")
	}
	if s.DatabaseConnections < 0 {
		return errors.New("--database-connections can't be less than 0")
	}
	return nil
}

// frontSettings say how much the services of a process take on, and from whom.
type frontSettings struct {
	MaxRequests  uint16 `placeholder:"N" default:"0" help:"Most requests at work at once in a process with services. As many more wait a moment for their turn; the others are answered 503 with Retry-After. 0 is five for each connection to the database."`
	MaxBacklog   uint32 `placeholder:"N" default:"1000000" help:"How many commands may wait for the ledger before those of customers are answered 503 with Retry-After, ${default} by default."`
	doorSettings `embed:""`
}

// arguments give the same settings to a child.
func (s frontSettings) arguments() []string {
	return append(s.doorSettings.arguments(), fmt.Sprint("--max-requests=", s.MaxRequests), fmt.Sprint("--max-backlog=", s.MaxBacklog))
}

type opsSettings struct {
	OpsListen config.Listen `placeholder:"HOST:PORT" help:"Where /livez, /readyz, /metrics and /debug/pprof are served, never to the public. By default 127.0.0.1 and a port of the role's own, 3091 to 3099."`
}

type portBase int

// Validate says what is wrong with the port.
func (p portBase) Validate() error {
	if p < 0 || int(p) > 65535-opsOffset-projectorPlace {
		return fmt.Errorf("%d is not a port with %d ports above it", int(p), opsOffset)
	}
	return nil
}

// opsOffset is how far above the port base, or the port of a service, the
// operational routes are.
const opsOffset = 90

const (
	defaultBase = 3000
	loopback    = "127.0.0.1"
)

// The workers' places behind the services, which begin at 1.
var (
	submitterPlace = len(service.Doors) + 1
	projectorPlace = len(service.Doors) + 2
)

func serviceNames() string {
	names := make([]string, len(service.Doors))
	for i, d := range service.Doors {
		names[i] = d.Name
	}
	return strings.Join(names, ",")
}

// listen opens an address; the error is a sentence that names it and its purpose.
func listen(address, purpose, remedy string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		_, port, _ := net.SplitHostPort(address)
		return nil, fmt.Errorf("port %s (%s) is taken by another program: stop that, or choose another with %s", port, purpose, remedy)
	case err != nil:
		return nil, fmt.Errorf("can't listen on %s (%s): %w", address, purpose, err)
	}
	return l, nil
}

// defaultDataDir is where "gx up" keeps its data: for root where the system
// keeps such things, otherwise in the user's home.
func defaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/gx"
	}
	base := os.Getenv("XDG_DATA_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "gx-data"
		}
		base = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(base, "gx")
}
