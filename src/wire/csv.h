/* csv.h - tables as rows of cells (RFC 4180), as spreadsheets write and read them. Pure. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

/* Adds a cell: in quotes where it must be. One that a spreadsheet would take for a formula gets a blank in
 * front, which csv_cell() takes away again. */
void csv_put(struct buf *out, struct slice cell);

/* Where text is looked through for the end of its first row; zeros before the first call for a row. */
struct csv_scan {
    size_t at;
    enum { CSV_BEGIN, CSV_PLAIN, CSV_QUOTED, CSV_CLOSED } in; /* the cell */
};
/* The bytes of the first row with its line feed; SL_NONE: it may have more, which is asked for again with
 * more text. A cell that begins with a quote may hold line ends. */
size_t csv_row(struct slice text, struct csv_scan *scan);
/* The next cell of a row, without quotes and the blanks around it; in the arena. false: it has no more. */
bool csv_cell(struct arena *a, struct slice *row, struct slice *cell);
