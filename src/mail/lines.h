/* lines.h - line ends made right: what comes from programs of ours (a user's client, a pipe, a file)
 * may end its lines in LF or CR alone; a letter never holds one of them (RFC 5321 section 2.3.8). Pure. */
#pragma once
#include "base/slice.h"

struct mail_lines {
    unsigned cr; /* so many CRs, 2 at most, were seen at the end of the input, and nothing given out yet */
    bool open;   /* the last line has no end yet */
    bool mended; /* some line end was not CR LF */
    size_t line, longest; /* bytes of the present line, and of the longest, without its end */
};
/* Cuts the next run of good text off the front of *in; false when *in is used up. Runs are slices
 * of the input, or static CR LF in place of lone CRs, a lone LF, or CR CR LF. Begin with {0}. When it gives
 * true, it holds nothing back. */
bool mail_lines_next(struct mail_lines *m, struct slice *in, struct slice *run);
/* What is missing at the end of the text: a CR LF, or nothing. Static. */
struct slice mail_lines_end(struct mail_lines *m);
