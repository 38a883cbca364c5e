package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"
)

// maxRenewals is how often in a row, without a byte more, a file gets another address.
const maxRenewals = 3

// download brings all files that are not there yet. A file whose content is wrong does not keep the others from coming; anything else
// that cannot be waited for ends the pull, which can go on later.
func (p *puller) download(ctx context.Context) error {
	var missing []int
	for i, f := range p.state.Files {
		if f.Got == nil {
			missing = append(missing, i)
		}
	}
	p.o.Reporter.Files(len(p.state.Files), len(p.state.Files)-len(missing))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.o.Parallel)
	var mu sync.Mutex
	var wrong []error
	for _, i := range missing {
		g.Go(func() error {
			if gctx.Err() != nil {
				return nil // the first error is told
			}
			err := p.file(gctx, i)
			if isContent(err) {
				mu.Lock()
				defer mu.Unlock()
				wrong = append(wrong, err)
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if n := len(wrong); n > 10 {
		wrong = append(wrong[:10], fmt.Errorf("and %d more files are wrong", n-10))
	}
	return errors.Join(wrong...)
}

// file brings one file, however many requests that takes, and notes it.
func (p *puller) file(ctx context.Context, i int) error {
	s := p.state.Files[i]
	p.o.Reporter.Start(s.Name)
	f, err := p.whole(ctx, i, s)
	if err == nil {
		err = p.state.got(i, f)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", s.Name, err)
	}
	p.o.Reporter.End(s.Name, f, err)
	return err
}

// whole brings one file. What came before a cut is kept and gone on from. A file that is whole and wrong is fetched once more from its
// first byte.
func (p *puller) whole(ctx context.Context, i int, s slot) (File, error) {
	pt, err := openPart(p.dir, s.Name, p.state.Status)
	if err != nil {
		return File{}, err
	}
	again := patience{limit: p.o.Patience}
	most, renewals, fresh := pt.most, 0, false
	for {
		address, signed := p.catalog.address(i)
		f, err := p.attempt(ctx, address, signed, pt, s)
		if err == nil {
			return f, p.dir.remove(s.Name+partSuffix, s.Name+infoSuffix, s.Name+wholeSuffix)
		}
		if pt.most > most {
			most, renewals = pt.most, 0
			again.reset()
		}
		switch {
		case ctx.Err() != nil:
			return File{}, ctx.Err()
		case isContent(err):
			if derr := errors.Join(pt.drop(), p.dir.remove(s.Name+wholeSuffix)); derr != nil || fresh {
				return File{}, errors.Join(err, derr)
			}
			fresh = true
			continue
		case expired(err) && renewals < maxRenewals:
			renewals++
			rerr := p.renew(ctx, i, address)
			if rerr == nil {
				continue
			}
			if rerr != errNotRenewed {
				return File{}, fmt.Errorf("%w; a new address cannot be had: %w", err, rerr)
			}
		}
		if err = again.wait(ctx, err); err != nil {
			return File{}, p.explain(err, address, signed)
		}
	}
}

// attempt brings what is missing and settles it.
func (p *puller) attempt(ctx context.Context, address string, signed bool, pt *part, s slot) (File, error) {
	if !pt.info.Whole {
		if err := p.fetch(ctx, address, signed, pt); err != nil {
			return File{}, err
		}
	}
	f, err := p.settle(ctx, pt, s)
	if errors.Is(err, io.ErrUnexpectedEOF) && pt.info.Whole {
		err = contentErrorf("it ends in mid-line")
	}
	return f, err
}

// expired tells answers that signed addresses give when their time is over.
func expired(err error) bool {
	return isStatus(err, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone)
}

// explain adds what to do when a file is refused because the token may not go where it lies.
func (p *puller) explain(err error, address string, signed bool) error {
	if !signed || p.s.tokens == nil || !isStatus(err, http.StatusUnauthorized, http.StatusForbidden) {
		return err
	}
	if u, perr := p.s.parse(address); perr == nil && !p.s.trusted[origin(u)] {
		return fmt.Errorf("%w: the file lies at %s, where the token is not sent unless told so", err, origin(u))
	}
	return err
}

// reuse takes over what an earlier run of this pull has brought, as far as it is still there.
func (s *state) reuse() {
	for i, f := range s.Files {
		if f.Got == nil {
			continue
		}
		if fi, err := s.folder.Lstat(f.Name); err != nil || fi.Size() != f.Got.Bytes {
			s.Files[i].Got = nil
			continue
		}
		s.Files[i].Got.Path = filepath.Join(s.folder.dir, f.Name)
	}
}
