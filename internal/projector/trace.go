package projector

import (
	"context"
	"log/slog"
)

// told logs the commands whose end was applied, for whoever follows a trace.
func (s *session) told(ctx context.Context, w *work) {
	if !s.o.Log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	for _, t := range w.txs {
		for _, c := range t.Commands {
			s.o.Log.DebugContext(ctx, "command projected", "commandId", c.ID, "outcome", c.Outcome, "tx", t.ID, "block", t.Block, "traceparent", c.Trace)
		}
	}
}
