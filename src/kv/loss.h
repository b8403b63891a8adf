/* loss.h - a loss that was accepted: between the engines and kv.c.
 *
 * The note lies beside the index as PATH.loss from before the index is opened without what was lost
 * until whoever keeps bodies knows of it (kv_loss_done). */
#pragma once
#include "kv_i.h"

/* Durable when it returns 0. what: in words, the same whenever the same damage is looked at. BLOCKS. */
MUST_CHECK int loss_accept(const char *path, const char *what);
/* Was exactly this accepted? BLOCKS. */
bool loss_accepted(const char *path, const char *what);
/* ERR_CORRUPT with the sentence that tells what is damaged and how to go on. */
MUST_CHECK int loss_refuse(const char *path, const char *what);
