/* sendgrid_mail.c - POST /v3/mail/send taken apart: one personalization is one letter. Pure. */
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "send/compose.h"
#include "sendgrid.h"

enum {
    PERSONALIZATIONS_MAX = 1000,
    SUBSTITUTIONS_MAX = 10000, /* bytes of a personalization's, and of custom arguments */
    CATEGORY_MAX = 255,
    AHEAD_S = 72 * 3600,
    GROUPS_SHOWN_MAX = 25,
};

static void gather(struct dialect *d, const char *path, int e, const char *sentence)
{
    struct sendgrid_mail *m = d->arg;
    (void)e;
    sendgrid_error_at(m->errors, path, sentence);
}

/* ---- addresses ---- */

static bool address(struct dialect *d, const json_t *v, const char *path, struct send_addr *out)
{
    if (!json_is_object(v)) {
        dialect_fault(d, path, ERR_SYNTAX, "The email address must be an object with an email parameter.");
        return false;
    }
    *out = (struct send_addr){.address = sl_trim(dialect_string(d, v, "email", path)),
                              .name = dialect_string(d, v, "name", path)};
    return dialect_address(d, out->address, out->name, dialect_at(d, path, "email"),
                           dialect_at(d, path, "name"));
}

/* The address as SendGrid compares it. */
static const char *folded(struct dialect *d, struct slice address)
{
    return ar_cstr(&d->a, ar_lower(&d->a, address));
}

static void address_list(struct dialect *d, const json_t *p, const char *key, const char *path, json_t *seen,
                         struct send_addrs *out)
{
    json_t *list = dialect_array(d, p, key, path, SEND_RCPTS_MAX), *v;
    size_t i;
    out->v = ar_array(&d->a, struct send_addr, json_array_size(list));
    json_array_foreach(list, i, v) {
        struct send_addr *to = &out->v[out->n];
        const char *at = dialect_at_index(d, path, key, i);
        if (!address(d, v, at, to)) continue;
        const char *same = folded(d, to->address);
        if (json_object_get(seen, same)) {
            dialect_fault(
                d, path, ERR_EXISTS,
                "Each email address in the personalization block should be unique between to, cc, and bcc. "
                "We found the first duplicate instance of [%s] in the %s field.",
                same, dialect_at(d, path, key));
            continue;
        }
        json_object_set_new(seen, same, json_true());
        out->n++;
    }
}

/* ---- a personalization ---- */

static void subject(struct dialect *d, const json_t *o, const char *path, struct slice *out)
{
    *out = dialect_string(d, o, "subject", path);
    (void)dialect_ok(d, dialect_at(d, path, "subject"),
                     compose_check_text(*out, COMPOSE_VALUE_MAX, "The subject"));
}

/* An object whose values are strings, as JSON. */
static struct slice strings(struct dialect *d, const json_t *o, const char *key, const char *path)
{
    json_t *v = dialect_object(d, o, key, path), *one;
    const char *name, *at = dialect_at(d, path, key);
    json_object_foreach(v, name, one)
        if (!json_is_string(one)) {
            dialect_fault(d, at, ERR_SYNTAX, "The values of %s must be strings.", key);
            return SL("");
        }
    struct slice text = dialect_dump(d, v);
    if (text.n <= SUBSTITUTIONS_MAX) return text;
    dialect_fault(d, at, ERR_TOO_LONG, "The %s may not exceed %d bytes.", key, SUBSTITUTIONS_MAX);
    return SL("");
}

static int64_t when(struct dialect *d, const json_t *o, const char *path, int64_t now)
{
    int64_t t = dialect_integer(d, o, "send_at", path);
    if (t <= now + AHEAD_S && t >= 0) return t;
    dialect_fault(
        d, dialect_at(d, path, "send_at"), ERR_LIMIT,
        "The send_at parameter is a unix timestamp. Scheduling delivery more than 72 hours in advance is "
        "forbidden.");
    return 0;
}

static void personalization(struct sendgrid_mail *m, const json_t *p, const char *path, int64_t now,
                            struct send_letter *l)
{
    struct dialect *d = &m->d;
    json_t *seen = json_object(), *from = dialect_object(d, p, "from", path);
    if (from) (void)address(d, from, dialect_at(d, path, "from"), &l->from);
    size_t faults = d->faults;
    address_list(d, p, "to", path, seen, &l->to);
    if (!l->to.n && d->faults == faults)
        dialect_fault(
            d, dialect_at(d, path, "to"), ERR_SYNTAX,
            "The to array is required for all personalization objects, and must have at least one email "
            "object with a valid email address.");
    address_list(d, p, "cc", path, seen, &l->cc);
    address_list(d, p, "bcc", path, seen, &l->bcc);
    json_decref(seen);
    subject(d, p, path, &l->subject);
    dialect_fields(d, dialect_object(d, p, "headers", path), dialect_at(d, path, "headers"), &l->fields);
    l->args = strings(d, p, "custom_args", path);
    l->send_at = when(d, p, path, now);
    struct slice substitutions = strings(d, p, "substitutions", path);
    json_t *data = dialect_object(d, p, "dynamic_template_data", path);
    if (substitutions.n && data)
        dialect_fault(d, path, ERR_SYNTAX, "Substitutions may not be used with dynamic templating.");
    if (substitutions.n && m->send.language == SEND_PLAIN) m->send.language = SEND_SUBSTITUTIONS;
    l->data = data ? dialect_dump(d, data) : substitutions;
}

static void personalizations(struct sendgrid_mail *m, const json_t *body, int64_t now)
{
    json_t *list = dialect_array(&m->d, body, "personalizations", "", PERSONALIZATIONS_MAX), *p;
    size_t i;
    if (!json_array_size(list)) {
        if (!m->d.faults)
            dialect_fault(
                &m->d, "personalizations", ERR_SYNTAX,
                "The personalizations field is required and must have at least one personalization.");
        return;
    }
    m->letter = ar_array(&m->d.a, struct send_letter, json_array_size(list));
    json_array_foreach(list, i, p) {
        const char *path = dialect_at_index(&m->d, "", "personalizations", i);
        if (json_is_object(p)) personalization(m, p, path, now, &m->letter[m->nletters++]);
        else dialect_fault(&m->d, path, ERR_SYNTAX, "A personalization must be an object.");
    }
}

/* ---- content ---- */

static void part(struct sendgrid_mail *m, const json_t *v, size_t i)
{
    struct dialect *d = &m->d;
    const char *path = dialect_at_index(d, "", "content", i);
    struct send_part *p = &m->send.part[m->send.nparts];
    p->type = dialect_string(d, v, "type", path);
    p->text = dialect_string(d, v, "value", path);
    if (!p->text.n) {
        dialect_fault(d, dialect_at(d, path, "value"), ERR_SYNTAX,
                      "The content value must be a string at least one character in length.");
        return;
    }
    if (!dialect_ok(d, dialect_at(d, path, "type"), compose_check_type(&d->a, p->type, "The content type")))
        return;
    bool plain = sl_eqi(p->type, SL("text/plain")), html = sl_eqi(p->type, SL("text/html"));
    for (size_t k = 0; k < m->send.nparts; k++) {
        if (!sl_eqi(m->send.part[k].type, p->type) && !plain) continue;
        dialect_fault(d, "content", ERR_SYNTAX,
                      plain || html
                          ? "If present, text/plain and text/html may only be provided once, and text/plain "
                            "must be first, followed by text/html, followed by any other content."
                          : "Each content type may only be provided once.");
        return;
    }
    m->send.nparts++;
}

static void content(struct sendgrid_mail *m, const json_t *body)
{
    json_t *list = dialect_array(&m->d, body, "content", "", COMPOSE_PARTS_MAX), *v;
    size_t i, faults = m->d.faults;
    m->send.part = ar_array(&m->d.a, struct send_part, json_array_size(list) + 2);
    json_array_foreach(list, i, v) part(m, v, i);
    if (!m->send.nparts && !m->template_id.n && m->d.faults == faults)
        dialect_fault(
            &m->d, "content", ERR_SYNTAX,
            "Unless a valid template_id is provided, the content parameter is required. There must be at "
            "least one defined content block. We typically suggest both text/plain and text/html blocks are "
            "included, but only one block is required.");
}

static void attachment(struct sendgrid_mail *m, const json_t *v, size_t i)
{
    struct dialect *d = &m->d;
    const char *path = dialect_at_index(d, "", "attachments", i);
    struct send_file *f = &m->send.file[m->send.nfiles++];
    struct slice disposition = dialect_string(d, v, "disposition", path),
                 encoded = dialect_string(d, v, "content", path);
    f->name = dialect_string(d, v, "filename", path);
    f->type = dialect_string(d, v, "type", path);
    f->content_id = dialect_string(d, v, "content_id", path);
    f->in_text = sl_eqi(disposition, SL("inline"));
    if (disposition.n && !f->in_text && !sl_eqi(disposition, SL("attachment")))
        dialect_fault(d, dialect_at(d, path, "disposition"), ERR_SYNTAX,
                      "The disposition must be either attachment or inline.");
    if (!encoded.n)
        dialect_fault(d, dialect_at(d, path, "content"), ERR_SYNTAX,
                      "The attachment content must be a string at least one character in length.");
    if (!f->name.n)
        dialect_fault(d, dialect_at(d, path, "filename"), ERR_SYNTAX,
                      "The filename of an attachment is required.");
    (void)dialect_ok(d, dialect_at(d, path, "filename"),
                     compose_check_text(f->name, COMPOSE_FILENAME_MAX, "The filename"));
    if (f->type.n)
        (void)dialect_ok(d, dialect_at(d, path, "type"),
                         compose_check_type(&d->a, f->type, "The attachment's type"));
    if (f->content_id.n)
        (void)dialect_ok(d, dialect_at(d, path, "content_id"), compose_check_content_id(f->content_id));
    f->bytes = dialect_bytes(d, encoded, dialect_at(d, path, "content"));
}

static void attachments(struct sendgrid_mail *m, const json_t *body)
{
    json_t *list = dialect_array(&m->d, body, "attachments", "", SEND_FILES_MAX), *v;
    size_t i;
    m->send.file = ar_array(&m->d.a, struct send_file, json_array_size(list));
    json_array_foreach(list, i, v) attachment(m, v, i);
}

/* ---- the rest ---- */

static void reply_to(struct sendgrid_mail *m, const json_t *body)
{
    struct dialect *d = &m->d;
    json_t *one = dialect_object(d, body, "reply_to", ""), *seen = json_object();
    struct send_addr *v = ar_new(&d->a, struct send_addr);
    size_t faults = d->faults;
    address_list(d, body, "reply_to_list", "", seen, &m->send.reply_to);
    json_decref(seen);
    if (!one) return;
    if (m->send.reply_to.n && d->faults == faults)
        dialect_fault(d, "reply_to", ERR_SYNTAX, "The reply_to is mutually exclusive with reply_to_list.");
    if (address(d, one, "reply_to", v)) m->send.reply_to = (struct send_addrs){v, 1};
}

static void categories(struct sendgrid_mail *m, const json_t *body)
{
    struct dialect *d = &m->d;
    json_t *list = dialect_array(d, body, "categories", "", SEND_CATEGORIES_MAX), *v;
    size_t i;
    m->send.category = ar_array(&d->a, struct slice, json_array_size(list));
    json_array_foreach(list, i, v) {
        struct slice s = dialect_slice(v);
        const char *at = dialect_at_index(d, "", "categories", i);
        if (!s.n)
            dialect_fault(d, at, ERR_SYNTAX, "A category must be a string at least one character in length.");
        else if (dialect_ok(d, at, compose_check_text(s, CATEGORY_MAX, "The category")))
            m->send.category[m->send.ncategories++] = s;
    }
}

static void asm_group(struct sendgrid_mail *m, const json_t *body)
{
    json_t *o = dialect_object(&m->d, body, "asm", "");
    if (!o) return;
    int64_t id = dialect_integer(&m->d, o, "group_id", "asm");
    json_t *shown = dialect_array(&m->d, o, "groups_to_display", "asm", GROUPS_SHOWN_MAX), *v;
    size_t i;
    json_array_foreach(shown, i, v)
        if (!json_is_integer(v))
            dialect_fault(&m->d, "asm.groups_to_display", ERR_SYNTAX, "The ids of groups must be integers.");
    if (id < 1 || id > UINT32_MAX)
        dialect_fault(&m->d, "asm.group_id", ERR_SYNTAX,
                      "The asm group_id is required and must be a valid group.");
    else m->send.group = (uint32_t)id;
}

/* Is settings.NAME.enable true? */
static json_t *enabled(struct dialect *d, const json_t *all, const char *name, const char *path)
{
    json_t *o = dialect_object(d, all, name, path);
    return o && dialect_bool(d, o, "enable", dialect_at(d, path, name)) ? o : NULL;
}

/* Texts of a setting. */
static struct sendgrid_texts texts(struct dialect *d, const json_t *o, const char *path)
{
    return (struct sendgrid_texts){dialect_string(d, o, "text", path), dialect_string(d, o, "html", path)};
}

static void mail_settings(struct sendgrid_mail *m, const json_t *body)
{
    static const struct {
        const char *name;
        unsigned option;
    } flags[] = {{"sandbox_mode", SEND_SANDBOX},
                 {"bypass_list_management", SEND_BYPASS_ALL},
                 {"bypass_bounce_management", SEND_BYPASS_BOUNCES},
                 {"bypass_spam_management", SEND_BYPASS_SPAM},
                 {"bypass_unsubscribe_management", SEND_BYPASS_UNSUBSCRIBED}};
    struct dialect *d = &m->d;
    json_t *o = dialect_object(d, body, "mail_settings", "");
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (enabled(d, o, flags[i].name, "mail_settings")) m->send.options |= flags[i].option;
    unsigned some = SEND_BYPASS_BOUNCES | SEND_BYPASS_SPAM | SEND_BYPASS_UNSUBSCRIBED;
    if ((m->send.options & SEND_BYPASS_ALL) && (m->send.options & some))
        dialect_fault(d, "mail_settings.bypass_list_management", ERR_SYNTAX,
                      "bypass_list_management cannot be combined with any other bypass filters.");
    json_t *f = enabled(d, o, "footer", "mail_settings");
    if (f) m->footer = texts(d, f, "mail_settings.footer");
}

static void tracking_settings(struct sendgrid_mail *m, const json_t *body)
{
    static const char path[] = "tracking_settings";
    struct dialect *d = &m->d;
    json_t *o = dialect_object(d, body, path, "");
    json_t *opens = enabled(d, o, "open_tracking", path), *clicks = enabled(d, o, "click_tracking", path);
    if (opens) {
        m->send.options |= SEND_TRACK_OPENS;
        m->open_tag = dialect_string(d, opens, "substitution_tag", "tracking_settings.open_tracking");
    }
    if (clicks) {
        m->send.options |= SEND_TRACK_CLICKS;
        (void)dialect_bool(d, clicks, "enable_text", "tracking_settings.click_tracking");
    }
    if (enabled(d, o, "ganalytics", path))
        dialect_fault(d, "tracking_settings.ganalytics", ERR_UNSUPPORTED,
                      "Google Analytics is not supported here.");
    json_t *s = enabled(d, o, "subscription_tracking", path);
    m->leaves = s != NULL;
    if (!s) return;
    m->leave = texts(d, s, "tracking_settings.subscription_tracking");
    m->leave_tag = dialect_string(d, s, "substitution_tag", "tracking_settings.subscription_tracking");
}

static void sender(struct sendgrid_mail *m, const json_t *body)
{
    json_t *from = dialect_object(&m->d, body, "from", "");
    if (!from)
        dialect_fault(
            &m->d, "from.email", ERR_SYNTAX,
            "The from object must be provided for every email send. It is an object that requires the email "
            "parameter, but may also contain a name parameter.  e.g. {\"email\" : \"example@example.com\"}  "
            "or {\"email\" : \"example@example.com\", \"name\" : \"Example Recipient\"}.");
    else (void)address(&m->d, from, "from", &m->send.from);
}

static void needs_subject(struct sendgrid_mail *m)
{
    bool all = m->nletters > 0;
    for (size_t i = 0; i < m->nletters; i++) all = all && m->letter[i].subject.n;
    if (!m->send.subject.n && !m->template_id.n && !all)
        dialect_fault(
            &m->d, "subject", ERR_SYNTAX,
            "The subject is required. You can get around this requirement if you use a template with a "
            "subject defined or if every personalization has a subject defined.");
}

void sendgrid_mail_read(struct sendgrid_mail *m, const json_t *body, int64_t now)
{
    struct dialect *d = &m->d;
    *m = (struct sendgrid_mail){.errors = json_array()};
    dialect_begin(d, gather, m);
    m->send.stream = STREAM_TRANSACTIONAL;
    m->send.options = SEND_HONOUR_UNSUBSCRIBED;
    m->template_id = dialect_string(d, body, "template_id", "");
    personalizations(m, body, now);
    sender(m, body);
    reply_to(m, body);
    subject(d, body, "", &m->send.subject);
    needs_subject(m);
    content(m, body);
    attachments(m, body);
    dialect_fields(d, dialect_object(d, body, "headers", ""), "headers", &m->send.fields);
    categories(m, body);
    m->send.args = strings(d, body, "custom_args", "");
    m->send.send_at = when(d, body, "", now);
    m->send.batch = dialect_string(d, body, "batch_id", "");
    (void)dialect_string(d, body, "ip_pool_name", "");
    if (json_object_size(dialect_object(d, body, "sections", "")))
        dialect_fault(d, "sections", ERR_UNSUPPORTED,
                      "Sections are not supported here: their text belongs into the substitutions.");
    asm_group(m, body);
    if (m->send.group) m->send.stream = STREAM_BULK;
    mail_settings(m, body);
    tracking_settings(m, body);
}

void sendgrid_mail_end(struct sendgrid_mail *m)
{
    json_decref(m->errors);
    dialect_end(&m->d);
}
