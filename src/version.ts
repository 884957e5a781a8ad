/** Version of this software, as XEP-0092, `rookery --version` and the logs tell it; a test keeps it equal to package.json. */
export const VERSION = '0.1.0';
