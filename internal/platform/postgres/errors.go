package postgres

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// IsDataError reports whether PostgreSQL refused the data itself: SQLSTATE
// class 22 (bad value) or 23 (broken constraint). Repeating can't help.
func IsDataError(err error) bool {
	switch class(err) {
	case "22", "23":
		return true
	}
	return false
}

// IsTransient reports whether the same work may succeed when repeated: the
// connection failed, the server is starting, stopping or out of resources, or
// the transaction lost to a concurrent one. It says nothing about whether a
// commit that failed this way took effect. An ended context is not transient.
func IsTransient(err error) bool {
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
		switch pg.Code {
		case "40001", "40P01", // serialization failure, deadlock
			"55P03",                            // lock timeout
			"57P01", "57P02", "57P03", "57P05", // shutdown, crash, starting up, idle session
			"25P03", // idle in transaction
			"25006": // read only: the primary has become a standby
			return true
		}
		c := class(err)
		return c == "08" || c == "53" // connection exception, insufficient resources
	}
	if errors.Is(err, context.Canceled) {
		return false
	}
	if connect := (*pgconn.ConnectError)(nil); errors.As(err, &connect) {
		return true
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if network := net.Error(nil); errors.As(err, &network) {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, pgconn.ErrConnClosed)
}

func class(err error) string {
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && len(pg.Code) == 5 {
		return pg.Code[:2]
	}
	return ""
}
