package contract

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/role"
)

// MaxBatch is how many commands a batch may have.
const MaxBatch = 1000

// instruction is a command on its way through its function.
type instruction struct {
	*commandFunction        // nil when the type is unknown
	id               string // of the receipt; empty: a direct call without one
	payload          command.Payload
	problem          error // with the payload, which is nil then
	argsHash         string
	receipt          string // key, empty without an id
	trace            string
}

// function returns the name that receipts are kept under.
func (i *instruction) function() string {
	if i.commandFunction == nil {
		return BatchFunction
	}
	return i.name
}

// hash identifies the arguments: the canonical form of the payload, or raw
// where there is none.
func (i *instruction) hash(raw []byte) error {
	if i.payload != nil {
		var err error
		if raw, err = encode(i.payload); err != nil {
			return fmt.Errorf("encode payload: %w", err)
		}
	}
	i.argsHash = hashArgs(raw)
	return nil
}

// reads lists the keys that the instruction is going to read.
func (i *instruction) reads() []string {
	var keys []string
	if i.payload != nil {
		keys = i.keys(i.payload)
	}
	if i.id != "" {
		i.receipt = receiptKey(i.function(), i.id)
		keys = append(keys, i.receipt)
	}
	return keys
}

func init() {
	functions[BatchFunction] = &function{
		Function: Function{Name: BatchFunction, Kind: KindBatch, Args: []string{"commands"}, Required: 1, Roles: role.All},
		invoke:   invokeBatch,
	}
}

// invokeBatch runs commands one after the other. Each is its own unit of work:
// one that a rule refuses leaves its receipt and nothing else, and the others
// go on. A caller who may not call one of the functions runs none of them: the
// end of a command is published, and strangers have no say in it.
func invokeBatch(t *tx, args []string) ([]byte, error) {
	batch, err := t.readBatch(args)
	if err != nil {
		return nil, err
	}
	results := make([]BatchResult, len(batch))
	deferred := 0
	for n := range batch {
		if results[n], err = t.runInstruction(&batch[n]); err != nil {
			return nil, err
		}
		if results[n].Outcome == Deferred {
			deferred++
		}
	}
	if deferred == len(batch) {
		return nil, errPaused
	}
	if err := t.commit(BatchFunction); err != nil {
		return nil, err
	}
	return encode(results)
}

// readBatch decodes the commands of a batch and fetches what they read.
func (t *tx) readBatch(args []string) ([]instruction, error) {
	if err := countArgs(functions[BatchFunction].Args, len(args)); err != nil {
		return nil, err
	}
	var items []BatchItem
	if err := json.Unmarshal([]byte(args[0]), &items, decoding); err != nil {
		return nil, refuse(CodeInvalidArgument, "commands: is not a list of commands with id, type and payload")
	}
	if len(items) == 0 || len(items) > MaxBatch {
		return nil, refuse(CodeInvalidArgument, "commands: must be 1 to %d", MaxBatch)
	}
	if !slices.Contains(role.All, t.stub.Caller().Role) {
		return nil, refuse(CodeUnauthorized, "the caller does not have the required role for %s", BatchFunction)
	}
	batch := make([]instruction, len(items))
	// A payment reads 13 keys, of which 10 are those of all payments, and writes 6.
	keys := append(make([]string, 0, 16*len(items)), statusKey)
	t.read = make(map[string][]byte, 4*len(items))
	t.writes = make(map[string][]byte, 8*len(items))
	for n, item := range items {
		i := &batch[n]
		if err := checkID(item.ID); err != nil {
			return nil, err
		}
		if err := checkTrace(item.Trace); err != nil {
			return nil, err
		}
		i.id, i.trace, i.commandFunction = item.ID, item.Trace, commands[item.Type]
		if i.commandFunction == nil {
			i.problem = refuse(CodeInvalidArgument, "type: %.80q is not a command", string(item.Type))
		} else {
			if err := i.holds(t.stub.Caller()); err != nil {
				return nil, err
			}
			if i.payload, i.problem = command.Decode(item.Type, item.Payload); i.problem != nil {
				i.payload, i.problem = nil, invalid(i.problem)
			} else if err := i.allowedAs(t.stub.Caller(), i.payload.Actor()); err != nil {
				return nil, err
			}
		}
		if err := i.hash(item.Payload); err != nil {
			return nil, err
		}
		keys = append(keys, i.reads()...)
	}
	return batch, t.prefetch(keys)
}

func (t *tx) runInstruction(i *instruction) (BatchResult, error) {
	out := BatchResult{ID: i.id}
	if i.commandFunction == nil || !i.whilePaused {
		if err := t.running(); err != nil {
			refused := refusal(err)
			if refused == nil {
				return out, err
			}
			out.Outcome, out.Code, out.Message = Deferred, string(refused.Code), refused.Message
			return out, nil
		}
	}
	r, replayed, err := t.perform(i)
	if refused := refusal(err); refused != nil {
		// A conflict: the command of that id has its receipt already.
		out.Outcome, out.Code, out.Message = event.Rejected, string(refused.Code), refused.Message
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.Outcome, out.Code, out.Message, out.Replayed = r.Outcome, string(r.Code), r.Message, replayed
	if replayed {
		out.Result = r.Result
	}
	return out, nil
}

// perform brings a command to its end, unless an earlier transaction did, and
// writes the receipt and the entry of the envelope. The refusal of a rule is in
// the receipt.
func (t *tx) perform(i *instruction) (r *receipt, replayed bool, err error) {
	if i.id != "" {
		if r, err = t.replay(i.receipt, i.argsHash); err != nil || r != nil {
			return r, true, err
		}
	}
	r = &receipt{ArgsHash: i.argsHash, Outcome: event.Applied, TxID: t.stub.TxID()}
	err = i.problem
	if err == nil {
		err = t.try(func() (err error) {
			r.Result, err = i.execute(t)
			return err
		})
	}
	if err != nil {
		refused := refusal(err)
		if refused == nil {
			return nil, false, err
		}
		r.Outcome, r.Code, r.Message = event.Rejected, refused.Code, refused.Message
	}
	end := event.CommandResult{ID: i.id, Outcome: r.Outcome, Code: string(r.Code), Message: r.Message, Result: r.Result, Trace: i.trace}
	if i.commandFunction != nil {
		end.Type = i.Type
	}
	if i.payload != nil {
		end.ActorID = i.payload.Actor()
	}
	if i.id == "" {
		end.ID = t.stub.TxID()
	} else if err := store(t, i.receipt, r); err != nil {
		return nil, false, err
	}
	t.commands = append(t.commands, end)
	return r, false, nil
}

func (i *instruction) execute(t *tx) (jsontext.Value, error) {
	result, err := i.run(t, i.payload)
	if err != nil || result == nil {
		return nil, err
	}
	data, err := encode(result)
	if err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	return data, nil
}
