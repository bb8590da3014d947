package httpkit

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Of an answer that is held back until it is whole: it gets an entity tag, which a
// repeated read is answered with alone, and is compressed.
const (
	maxHeld     = 1 << 20 // a longer one is passed on as it comes
	minCompress = 1400    // a shorter one fits a packet as it is
)

// compressed are the kinds of content that are worth it. Compression tells the
// length of secrets to whoever can put text of their choice beside them and watch
// (BREACH). Answers with tokens are to POST and never compressed; for the others
// an attacker would need the token, which no page of another origin can send.
var compressed = map[string]bool{
	"application/json": true, "application/x-ndjson": true, "text/html": true, "text/javascript": true, "text/css": true, "text/markdown": true,
}

// hold reports whether the answer is to be held back.
func (w *responseWriter) hold(status int) bool {
	kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	reads := w.request.Method == http.MethodGet || w.request.Method == http.MethodHead
	return status == http.StatusOK && reads && compressed[kind] && w.Header().Get("Content-Encoding") == ""
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

var gzips = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a valid one
	return z
}}

// zstds compresses whole answers, many at once.
var zstds = sync.OnceValue(func() *zstd.Encoder {
	z, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(maxHeld), zstd.WithLowerEncoderMem(true)) // the options are valid ones
	return z
})

// release sends what is held back: the end of the answer, or the beginning of one
// that is too long.
func (w *responseWriter) release(whole bool) {
	buf := w.held
	if buf == nil {
		return
	}
	w.held = nil
	defer func() {
		if buf.Cap() <= maxHeld {
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	if !whole {
		w.send(buf.Bytes())
		return
	}
	if cache := h.Get("Cache-Control"); cache != "" && !strings.Contains(cache, "no-store") && h.Get("ETag") == "" {
		sum := sha256.Sum256(buf.Bytes())
		h.Set("ETag", `W/"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`)
	}
	if tag := h.Get("ETag"); tag != "" && matches(w.request.Header.Values("If-None-Match"), tag) {
		h.Del("Content-Type")
		w.status = http.StatusNotModified
		w.send(nil)
		return
	}
	coding := ""
	if buf.Len() >= minCompress {
		coding = preferredCoding(w.request.Header.Values("Accept-Encoding"))
	}
	if coding == "" {
		w.send(buf.Bytes())
		return
	}
	h.Set("Content-Encoding", coding)
	h.Del("Content-Length")
	if coding == "zstd" {
		w.send(zstds().EncodeAll(buf.Bytes(), nil))
		return
	}
	w.send(nil)
	z := gzips.Get().(*gzip.Writer)
	z.Reset(w.ResponseWriter)
	_, _ = z.Write(buf.Bytes()) // whoever does not listen has gone
	_ = z.Close()
	z.Reset(io.Discard)
	gzips.Put(z)
}

func (w *responseWriter) send(body []byte) {
	w.ResponseWriter.WriteHeader(w.status)
	if len(body) > 0 {
		_, _ = w.ResponseWriter.Write(body) // as above
	}
}

// matches compares as If-None-Match does: strong or weak is all the same.
func matches(fields []string, tag string) bool {
	for _, field := range fields {
		for candidate := range strings.SplitSeq(field, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
	}
	return false
}

// codings are the ways to compress, the better first.
var codings = []string{"zstd", "gzip"}

// preferredCoding returns the one of codings that a client likes best, "" for none.
func preferredCoding(fields []string) string {
	weights := map[string]float64{}
	for _, field := range fields {
		for part := range strings.SplitSeq(field, ",") {
			name, parameter, given := strings.Cut(strings.ToLower(part), ";")
			weight := 1.0
			if given {
				var err error
				if weight, err = strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(parameter), "q="), 64); err != nil {
					weight = 0
				}
			}
			weights[strings.TrimSpace(name)] = weight
		}
	}
	best, most := "", 0.0
	for _, name := range codings {
		weight, named := weights[name]
		if !named {
			weight = weights["*"]
		}
		if weight > most {
			best, most = name, weight
		}
	}
	return best
}
