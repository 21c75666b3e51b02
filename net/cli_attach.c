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

int cli_send_attached(struct cli *cli, const char *thread, const char *role, const char *text,
                      size_t len, const char *path)
{
    char id[AVJ_ID_TEXT], created[AVJ_TIME_TEXT], *content = NULL;
    struct avj_pack more = {0};
    struct avj_error err = {0};
    size_t content_len = 0;

    if (cli_check_text("attachment's name", path) != CLI_DONE)
        return CLI_USAGE;
    int code = read_text_file(path, &content, &content_len);
    if (code != CLI_DONE)
        return code;
    avj_time_format(avj_hlc_ms(avj_store_stamp(cli->store)), created);
    enum avj_status status = avj_id_new(cli->store, id);
    if (status == AVJ_OK) {
        avj_pack_map(&more, 1);
        pack_attachment(&more, id, path, created, content, content_len);
        status = more.failed
                     ? AVJ_ENOMEM
                     : avj_message_send_with(cli->store, thread, role, text, len,
                                             (struct avj_fields){more.data, more.len}, id, &err);
    }
    if (status == AVJ_OK)
        cli_put_id(cli, AVJ_MESSAGE, id);
    else
        code = cli_error(cli, status, &err);
    avj_pack_release(&more);
    free(content);
    return code;
}
