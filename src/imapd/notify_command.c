/* notify_command.c - the command NOTIFY (RFC 5465 section 3.1). */
#include "imapd_i.h"

void imapd_cmd_notify(struct imapd_session *s, struct imap_in *in)
{
    imap_sp(in);
    size_t begin = in->at;
    struct imap_notify args = imap_notify_args(in);
    if (imapd_args_bad(s, in)) return;
    if (args.unsupported) {
        imapd_no(s,
                 s->server->conf.annotate ? "BADEVENT (" IMAP_EVENTS " AnnotationChange)"
                                          : "BADEVENT (" IMAP_EVENTS ")",
                 "one of these events is not known here");
        return;
    }
    int e = imapd_notify_set(s, sl_from(in->s, begin));
    if (e == ERR_LIMIT) imapd_no(s, "NOTIFICATIONOVERFLOW", "%s", err_text(e));
    else if (e) imapd_failed(s, e);
    else imapd_ok(s, NULL, args.none ? "nothing is told but in answers" : "you will hear of it");
}
