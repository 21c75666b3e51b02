/*
 * avchat send --attach.  A text file travels inside the message (textContent), as AVChat itself
 * keeps it; other files would need the deployment's file storage, which the journal does not speak
 * to.
 */
#include "net/cli_attach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTACH_MAX ((size_t)1024 * 1024)

static const struct {
    const char *ending, *type;
} text_types[] = {
    {".md", "text/markdown"},     {".markdown", "text/markdown"}, {".csv", "text/csv"},
    {".html", "text/html"},       {".htm", "text/html"},          {".css", "text/css"},
    {".xml", "text/xml"},         {".json", "application/json"},  {".yaml", "application/yaml"},
    {".yml", "application/yaml"}, {".js", "text/javascript"},
};

static const char *mime_type(const char *name)
{
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < sizeof(text_types) / sizeof(*text_types); i++)
        if (strcasecmp(dot, text_types[i].ending) == 0)
            return text_types[i].type;
    return "text/plain";
}

static int read_text_file(const char *path, char **out, size_t *len)
{
    struct stat info;

    /* O_NONBLOCK: a FIFO is refused below instead of waited for. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return cli_fail("the attachment %s cannot be read: %s", path, strerror(errno));
    int error = fstat(file, &info) < 0 ? errno : S_ISREG(info.st_mode) ? 0 : EINVAL;
    if (!error)
        error = cli_read_all(file, ATTACH_MAX, out, len);
    close(file);
    if (error == EFBIG)
        return cli_fail("the attachment %s is larger than 1 MiB, the most that is taken", path);
    if (error == EINVAL)
        return cli_fail("the attachment %s is no regular file", path);
    if (error)
        return cli_fail("the attachment %s cannot be read: %s", path, strerror(error));
    if (cli_utf8_valid(*out, *len) && !memchr(*out, 0, *len))
        return CLI_DONE;
    free(*out);
    *out = NULL;
    return cli_fail("the attachment %s is no UTF-8 text; other files cannot be attached yet", path);
}

static void pack_pair(struct avj_pack *pack, const char *key, const char *text, size_t len)
{
    avj_pack_cstr(pack, key);
    avj_pack_text(pack, text, len);
}

static void pack_attachment(struct avj_pack *pack, const char *id, const char *path,
                            const char *created, const char *content, size_t len)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *type = mime_type(name);

    avj_pack_cstr(pack, "attachments");
    avj_pack_list(pack, 1);
    avj_pack_map(pack, 9);
    pack_pair(pack, "id", id, strlen(id));
    pack_pair(pack, "filename", name, strlen(name));
    pack_pair(pack, "originalName", name, strlen(name));
    pack_pair(pack, "fileType", "text", 4);
    pack_pair(pack, "mimeType", type, strlen(type));
    avj_pack_cstr(pack, "size");
    avj_pack_int(pack, (int64_t)len);
    pack_pair(pack, "url", "", 0);
    pack_pair(pack, "createdAt", created, strlen(created));
    pack_pair(pack, "textContent", content, len);
}

struct draft {
    const char *thread, *role, *text;
    size_t len;
    char id[AVJ_ID_TEXT], attachment[AVJ_ID_TEXT], created[AVJ_TIME_TEXT];
    bool raises; /* the thread's lastMessageAt; a clock that was set back must not lower it */
};

static void pack_message(struct avj_pack *pack, const struct draft *draft, const char *path,
                         const char *content, size_t content_len)
{
    avj_pack_map(pack, 6);
    pack_pair(pack, "id", draft->id, strlen(draft->id));
    pack_pair(pack, "threadId", draft->thread, strlen(draft->thread));
    pack_pair(pack, "role", draft->role, strlen(draft->role));
    pack_pair(pack, "content", draft->text, draft->len);
    pack_pair(pack, "createdAt", draft->created, strlen(draft->created));
    pack_attachment(pack, draft->attachment, path, draft->created, content, content_len);
}

/* The message and its thread's lastMessageAt in one frame. */
static enum avj_status append(struct cli *cli, const struct draft *draft,
                              const struct avj_pack *message, struct avj_error *err)
{
    struct avj_pack raise = {0};
    enum avj_status status = AVJ_ENOMEM;

    avj_pack_map(&raise, 2);
    pack_pair(&raise, "updatedAt", draft->created, strlen(draft->created));
    pack_pair(&raise, "lastMessageAt", draft->created, strlen(draft->created));
    struct avj_mutation mutations[] = {
        {AVJ_CREATE, AVJ_MESSAGE, draft->id, {message->data, message->len}},
        {AVJ_UPDATE, AVJ_THREAD, draft->thread, {raise.data, raise.len}},
    };
    if (!raise.failed && !message->failed)
        status =
            avj_store_mutate(cli->store, mutations, draft->raises ? 2 : 1, AVJ_DURABLE, NULL, err);
    avj_pack_release(&raise);
    return status;
}

/* Ids and the time of the new message. */
static enum avj_status begin_draft(struct cli *cli, struct draft *draft)
{
    struct avj_doc doc;
    int64_t now = avj_hlc_ms(avj_store_stamp(cli->store));

    enum avj_status status = avj_store_get(cli->store, AVJ_THREAD, draft->thread, &doc);
    if (status == AVJ_OK)
        status = avj_id_new(cli->store, draft->id);
    if (status == AVJ_OK)
        status = avj_id_new(cli->store, draft->attachment);
    if (status != AVJ_OK)
        return status;
    draft->raises = doc.last_message_ms < now;
    avj_time_format(now, draft->created);
    return AVJ_OK;
}

int cli_send_attached(struct cli *cli, const char *thread, const char *role, const char *text,
                      size_t len, const char *path)
{
    struct draft draft = {.thread = thread, .role = role, .text = text, .len = len};
    struct avj_pack message = {0};
    struct avj_error err = {0};
    char *content = NULL;
    size_t content_len = 0;

    if (cli_check_text("attachment's name", path) != CLI_DONE)
        return CLI_USAGE;
    int code = read_text_file(path, &content, &content_len);
    if (code != CLI_DONE)
        return code;
    enum avj_status status = begin_draft(cli, &draft);
    if (status == AVJ_OK) {
        pack_message(&message, &draft, path, content, content_len);
        status = append(cli, &draft, &message, &err);
    }
    if (status == AVJ_OK)
        cli_put_id(cli, AVJ_MESSAGE, draft.id);
    else
        code = cli_error(cli, status, &err);
    avj_pack_release(&message);
    free(content);
    return code;
}
