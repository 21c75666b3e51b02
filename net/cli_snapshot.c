/* avchat snapshot */
#include "net/cli.h"

int cli_cmd_snapshot(struct cli *cli)
{
    struct avj_snapshot_info info;
    struct avj_error err = {0};

    enum avj_status status = avj_store_snapshot(cli->store, &info, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    if (cli->json)
        cli_json(cli, json_pack("{s:I, s:I, s:I}", "seq", (json_int_t)info.seq, "bytes",
                                (json_int_t)info.bytes, "documents", (json_int_t)info.documents));
    else
        printf("snapshot of record %llu: %llu documents, %llu bytes\n",
               (unsigned long long)info.seq, (unsigned long long)info.documents,
               (unsigned long long)info.bytes);
    return CLI_DONE;
}
