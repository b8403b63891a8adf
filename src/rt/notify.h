/* notify.h - what systemd hands over and wants to hear: sd_listen_fds(3), sd_notify(3). Without it nothing
 * happens here. */
#pragma once
#include "base/err.h"

/* Takes over the listening sockets that were opened for this process, before there are loops. ERR_USAGE. */
MUST_CHECK int notify_sockets(void);
/* Is standard error the journal? (JOURNAL_STREAM, systemd.exec(5)) */
bool notify_is_journal(void);
/* Says "READY=1" and the like. */
void notify_say(const char *state);
/* The settings are read again; notify_say("READY=1") ends it. */
void notify_reloading(void);
/* On a fiber of its own, until it is canceled: as long as every loop answers, the watchdog hears so. */
void notify_watchdog(void *arg);
