// Opens a page of a local file at two widths and in both colour schemes, and tells what is wrong with it as JSON lines.
// node look.mjs FILE CHROMIUM [SCREENSHOT]
import fs from "node:fs";
import { createRequire } from "node:module";
import puppeteer from "puppeteer-core";

const [, , file, executablePath, screenshot] = process.argv;
const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await puppeteer.launch({ executablePath, args: ["--no-sandbox"], headless: true });
try {
  for (const width of [1280, 390]) {
    for (const scheme of ["light", "dark"]) {
      const page = await browser.newPage();
      const [console_, requests] = [[], []];
      page.on("console", (message) => console_.push(message.text()));
      page.on("pageerror", (error) => console_.push(String(error)));
      page.on("request", (request) => requests.push(request.url()));
      await page.setViewport({ width, height: 900 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      await page.goto("file://" + file);
      if (screenshot && width === 1280 && scheme === "light") await page.screenshot({ path: screenshot });
      const everything = await page.evaluate(() => {
        document.querySelectorAll("details").forEach((one) => (one.open = true));
        const root = document.documentElement;
        return { overflow: root.scrollWidth - root.clientWidth, drawn: document.querySelectorAll("path[d^=M]").length };
      });
      // axe comes in by the debugger, which no policy of the page holds back.
      await page.evaluate(axe);
      const { violations, passes } = await page.evaluate(() => axe.run());
      const found = violations.map(({ id, impact, nodes }) => ({ id, impact, html: nodes[0].html.slice(0, 200) }));
      const checked = passes.map(({ id }) => id);
      console.log(JSON.stringify({ width, scheme, console: console_, requests, ...everything, violations: found, checked }));
      await page.close();
    }
  }
} finally {
  await browser.close();
}
