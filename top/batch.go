package top

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Batch writes n pages of text, as wide as that and as long as they are; 0 is without end. It
// returns at the first error, and without one when ctx ends. The first page has no rates.
func Batch(ctx context.Context, w io.Writer, m *Model, c *Console, width, n int) error {
	defer c.close()
	for i := 0; n == 0 || i < n; i++ {
		if i > 0 {
			if !sleep(ctx, m.interval) {
				return nil
			}
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		s, err := c.sample(ctx, m.wanted())
		switch {
		case ctx.Err() != nil: // which ends it as it does between two pages
			return nil
		case err != nil:
			return err
		}
		m.take(s)
		if _, err := io.WriteString(w, m.whole(width).text()); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// whole is the page with all rows, without a foot.
func (m *Model) whole(width int) page {
	height := headLines + footLines + max(1, len(m.lines()))
	p := m.page(width, height)
	return p[:len(p)-footLines]
}
