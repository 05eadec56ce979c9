"""The characters that language networks know one by one."""

ALPHABET = "abcdefghijklmnopqrstuvwxyzàâäáãåçèéêëìíîïñòóôöùúûüÿœæß '-.0123456789"
