//! Variables that change how programs are loaded. Whoever sets one of them in a task runs code of theirs in its place, so a
//! grant is for such a name only where it says so: `*` alone is not for it.
//!
//! The list has what the dynamic linker, the shells, git and the usual interpreters read before a program's own code runs. It
//! can't have what every program in the world reads: where a plugin is not trusted at all, its grant names what it may set.

use super::pattern::Pattern;

/// The names, and what each of them does, to be read after "which".
pub(crate) const NAMES: [(&str, &str); 37] = [
    ("PATH", "decides what a program's name stands for"),
    ("LD_*", "is the dynamic linker's, which loads what it says"),
    ("DYLD_*", "is the dynamic linker's, which loads what it says"),
    ("GLIBC_TUNABLES", "changes how the C library works"),
    ("GCONV_PATH", "decides where the C library loads code from"),
    ("LOCPATH", "decides where the C library finds locales"),
    ("NLSPATH", "decides where the C library finds formats of messages"),
    ("BASH_ENV", "is run by every shell script of bash"),
    ("ZDOTDIR", "decides what every zsh runs first"),
    ("BASH_FUNC_*", "defines functions in every bash"),
    ("BASHOPTS", "changes how bash works"),
    ("SHELLOPTS", "changes how bash works"),
    ("PS4", "is run by bash when it traces"),
    ("ENV", "is run by every interactive sh"),
    ("IFS", "changes how shells take commands apart"),
    ("PYTHON*", "changes what every Python program loads"),
    ("PERL*", "changes what every Perl program loads"),
    ("RUBY*", "changes what every Ruby program loads"),
    ("GEM_*", "decides where Ruby programs load code from"),
    ("NODE_OPTIONS", "changes what every Node.js program loads"),
    ("NODE_PATH", "decides where Node.js programs load code from"),
    ("JAVA_TOOL_OPTIONS", "changes what every Java program loads"),
    ("JDK_JAVA_OPTIONS", "changes what every Java program loads"),
    ("_JAVA_OPTIONS", "changes what every Java program loads"),
    ("CLASSPATH", "decides where Java programs load code from"),
    ("LUA_*", "changes what every Lua program loads"),
    ("DOTNET_*", "changes what every .NET program loads"),
    ("OPENSSL_*", "decides where OpenSSL loads code from"),
    ("CORECLR_*", "loads a profiler into every .NET program"),
    ("COR_*", "loads a profiler into every .NET program"),
    ("COMPlus_*", "changes how .NET programs work"),
    ("PHPRC", "decides which settings PHP programs load"),
    ("PHP_INI_SCAN_DIR", "decides which settings PHP programs load"),
    ("GIT_*", "changes what git runs, and where it finds what it runs"),
    ("SSH_ASKPASS*", "is run by ssh when it asks for a password"),
    ("HOME", "decides which settings shells, git and interpreters load"),
    ("XDG_CONFIG_*", "decides which settings programs load"),
];

/// Which of them a name is, and what it does; none for an ordinary name.
pub(crate) fn which(name: &str) -> Option<(Pattern, &'static str)> {
    let listed = |(pattern, why): &(&str, &'static str)| (Pattern::from(*pattern), *why);
    NAMES
        .iter()
        .map(listed)
        .find(|(pattern, _)| pattern.matches(name))
}
