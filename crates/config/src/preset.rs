//! Providers that need only a key: what setting `<NAME>_API_KEY` enables.

/// A provider that is known by name.
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    /// What the variables `<VARIABLE>_API_KEY` and `<VARIABLE>_BASE_URL` begin with.
    pub(crate) variable: &'static str,
    /// The base of its OpenAI-compatible endpoint, with the version path.
    pub(crate) base_url: &'static str,
    /// The models that `GET /v1/models` lists; the first is the default one.
    pub(crate) models: &'static [&'static str],
}

/// In the order in which the first enabled one becomes the default provider.
pub(crate) const PRESETS: [Preset; 8] = [
    Preset {
        name: "glm",
        variable: "GLM",
        base_url: "https://api.z.ai/api/paas/v4",
        models: &["glm-4.6", "glm-4.5", "glm-4.5-air"],
    },
    Preset {
        name: "openai",
        variable: "OPENAI",
        base_url: "https://api.openai.com/v1",
        models: &["gpt-4o-mini", "gpt-4o", "gpt-4.1", "gpt-4.1-mini", "text-embedding-3-small"],
    },
    Preset {
        name: "gemini",
        variable: "GEMINI",
        base_url: "https://generativelanguage.googleapis.com/v1beta/openai",
        models: &["gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.5-flash-lite"],
    },
    Preset {
        name: "qwen",
        variable: "QWEN",
        base_url: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        models: &["qwen-plus", "qwen-max", "qwen-turbo", "qwen3-coder-plus"],
    },
    Preset {
        name: "deepseek",
        variable: "DEEPSEEK",
        base_url: "https://api.deepseek.com/v1",
        models: &["deepseek-chat", "deepseek-reasoner"],
    },
    Preset {
        name: "mistral",
        variable: "MISTRAL",
        base_url: "https://api.mistral.ai/v1",
        models: &["mistral-small-latest", "mistral-large-latest", "codestral-latest"],
    },
    Preset {
        name: "groq",
        variable: "GROQ",
        base_url: "https://api.groq.com/openai/v1",
        models: &["llama-3.3-70b-versatile", "llama-3.1-8b-instant", "openai/gpt-oss-120b"],
    },
    Preset {
        name: "openrouter",
        variable: "OPENROUTER",
        base_url: "https://openrouter.ai/api/v1",
        models: &["openrouter/auto"],
    },
];

/// Names of the provider whose own API this version does not speak, with its variable.
pub(crate) const ANTHROPIC_NAMES: [&str; 2] = ["anthropic", "claude"];
pub(crate) const ANTHROPIC_KEY: &str = "ANTHROPIC_API_KEY";

/// The preset called `name`.
pub(crate) fn named(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}
