/* refill.h - what a line, hop or sender left on the disk comes into memory when there is room for its like.
 */
#pragma once
#include "ahead.h"

/* For all that want it now; true: there were some. SUSPENDS. */
bool refill(struct ahead *h);
