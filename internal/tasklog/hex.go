package tasklog

import (
	"encoding/binary"

	"go.opentelemetry.io/otel/trace"
)

// AppendID appends a task's id as text, as RFC 9562 has UUIDs.
func AppendID(b []byte, id [16]byte) []byte {
	var text [36]byte
	middle, end := hex8(id[4:8]), hex8(id[8:12])
	binary.BigEndian.PutUint64(text[:], hex8(id[:4]))
	text[8] = '-'
	binary.BigEndian.PutUint32(text[9:], uint32(middle>>32))
	text[13] = '-'
	binary.BigEndian.PutUint32(text[14:], uint32(middle))
	text[18] = '-'
	binary.BigEndian.PutUint32(text[19:], uint32(end>>32))
	text[23] = '-'
	binary.BigEndian.PutUint32(text[24:], uint32(end))
	binary.BigEndian.PutUint64(text[28:], hex8(id[12:]))
	return append(b, text[:]...)
}

// The lengths of a span's ids and flags as text.
const (
	traceLen = 32
	spanLen  = 16
	flagsLen = 2
)

// AppendSpan appends the ids and flags of a span in hex, each with what is to stand before it.
func AppendSpan(b []byte, sc trace.SpanContext, beforeTrace, beforeSpan, beforeFlags string) []byte {
	text := spanText(sc)
	b = append(append(b, beforeTrace...), text[:traceLen]...)
	b = append(append(b, beforeSpan...), text[traceLen:traceLen+spanLen]...)
	return append(append(b, beforeFlags...), text[traceLen+spanLen:]...)
}

// SpanText returns the ids and flags of a span in hex: one string to allocate and not
// three.
func SpanText(sc trace.SpanContext) (traceID, spanID, flags string) {
	b := spanText(sc)
	text := string(b[:])
	return text[:traceLen], text[traceLen : traceLen+spanLen], text[traceLen+spanLen:]
}

func spanText(sc trace.SpanContext) (text [traceLen + spanLen + flagsLen]byte) {
	t, s, flags := sc.TraceID(), sc.SpanID(), byte(sc.TraceFlags())
	for i := 0; i < len(t); i += 4 {
		binary.BigEndian.PutUint64(text[2*i:], hex8(t[i:]))
	}
	binary.BigEndian.PutUint64(text[traceLen:], hex8(s[:]))
	binary.BigEndian.PutUint64(text[traceLen+8:], hex8(s[4:]))
	binary.BigEndian.PutUint16(text[traceLen+spanLen:], uint16(hex8([]byte{0, 0, 0, flags})))
	return text
}

// hex8 returns the first four bytes of b as eight digits of hex, the first in the highest
// byte. It computes them side by side: a record has 41 bytes of ids, and to look each half of
// them up in a table took a tenth of its line.
func hex8(b []byte) uint64 {
	const each = 0x0101010101010101
	v := uint64(binary.BigEndian.Uint32(b))
	v = (v | v<<16) & 0x0000ffff0000ffff
	v = (v | v<<8) & 0x00ff00ff00ff00ff
	v = (v | v<<4) & (0x0f * each) // a digit a byte
	letters := (v + 6*each) >> 4 & each
	return v + '0'*each + letters*('a'-'0'-10)
}
